"""Benchmarks of the middleware in FastAPI, side by side with other packages, and of checks in this process.

`SERVER` is the path of the server and `RATELOG_MODULE` that of the module. `--quick` shortens the run, and
`--output PATH` writes the report. Timings never fail the run; a wrong response does.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import checks
import report
from apps import APPS
from processes import App, Store
from rounds import measure
from serve import STACKS


def main() -> None:
    """Runs the benchmarks and prints the report."""
    parser = argparse.ArgumentParser(description="the Python package's benchmarks")
    parser.add_argument("--quick", action="store_true", help="shorten the run")
    parser.add_argument("--output", type=Path, help="also write the report to this file")
    parser.add_argument("--only", action="append", choices=list(STACKS), help="run only this stack")
    options = parser.parse_args()
    rounds, seconds = (2, 1.0) if options.quick else (5, 2.0)
    # The contexts stop the processes that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    stacks, tables = [], []
    with Store() as store:
        version = store.version()
        for stack in options.only or STACKS:
            sys.stderr.write(f"{stack}\n")
            with ExitStack() as running:
                apps = [running.enter_context(App(name, store.url, stack)) for name in APPS]
                full, paced = measure(apps, store, rounds, seconds)
            stacks.append((stack, full, paced))
            tables += [report.saturation(stack, list(APPS), full), report.steady(stack, list(APPS), paced)]
    text = "\n".join(
        [
            report.machine(version),
            report.targets(stacks),
            report.explanation(rounds, seconds),
            *tables,
            checks.section(rounds),
        ]
    )
    sys.stdout.write(text)
    if options.output is not None:
        options.output.write_text(text)


if __name__ == "__main__":
    main()
