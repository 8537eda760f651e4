// The behaviour of pages in a browser: charts, times, copying, keys.
import { showCharts } from "./charts.js";
import { handleKeys } from "./keyboard.js";
import { copyOnClick } from "./copy.js";
import { showTimes } from "./times.js";
import { watchConnection } from "./connection.js";
import { runWhatIf } from "./what-if.js";

showCharts();
handleKeys();
copyOnClick();
showTimes();
watchConnection();
runWhatIf();
