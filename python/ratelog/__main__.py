"""Runs the command line."""

from __future__ import annotations

import io
import logging
import os
import sys

from .cli.main import main

if __name__ == "__main__":
    # The command reports errors itself.
    logging.getLogger("ratelog").addHandler(logging.NullHandler())
    # A key may have characters that the output's encoding lacks.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has ended. Python would report that it cannot flush the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
