"""Programs that run in an interpreter of their own, in which every warning is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ratelog

_PACKAGES = Path(ratelog.__file__).parents[1]


def run_strictly(*arguments: str, cwd: Path | None = None) -> str:
    """Runs Python with `arguments`, and returns its output. Fails if it warns, logs or ignores an exception."""
    environment = {**os.environ, "PYTHONPATH": str(_PACKAGES)}
    # Not a timeout: a program that hangs fails the whole run, as any other test.
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *arguments],
        check=False,
        capture_output=True,
        text=True,
        # The sources in the working directory lack the extension.
        cwd=cwd or "/",
        env=environment,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout
