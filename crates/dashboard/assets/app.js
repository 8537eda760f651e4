// What pages do in a browser besides showing HTML: charts, times, copying, keys.
import { showCharts } from "./charts.js";
import { handleKeys } from "./keyboard.js";
import { copyOnClick, confirmForms } from "./actions.js";
import { showTimes } from "./times.js";
import { watchConnection } from "./connection.js";
import { runWhatIf } from "./what-if.js";

showCharts();
handleKeys();
copyOnClick();
confirmForms();
showTimes();
watchConnection();
runWhatIf();
