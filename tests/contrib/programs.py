"""promtool and redis_exporter, and the files of `contrib/`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.server import ROOT, free_port
from support.wait import until_sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTRIB = ROOT / "contrib"

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def program(name: str) -> str:
    """The path of a program. Skips the test if it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (on Debian: apt-get install prometheus prometheus-redis-exporter)")
    return path


def promtool(*arguments: str | Path) -> None:
    """Runs promtool, which has to succeed."""
    finished = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


class Scrape:
    """The metrics of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = [match.groups() for line in text.splitlines() if (match := _SAMPLE.match(line))]

    def values(self, metric: str, label: str | None = None) -> dict[str, float]:
        """The values of a metric, by one of its labels."""
        found = [(dict(_LABEL.findall(labels or "")), value) for name, labels, value in self._samples if name == metric]
        return {labels[label] if label else "": float(value) for labels, value in found}

    def value(self, metric: str) -> float:
        """The value of a metric without labels."""
        return self.values(metric)[""]

    @property
    def script(self) -> dict[str, float]:
        """The values that the script returned."""
        return self.values("redis_script_values", "key")


class Exporter:
    """A running redis_exporter."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def scrape(self) -> Scrape:
        with urllib.request.urlopen(self._url, timeout=30) as response:  # noqa: S310
            return Scrape(response.read().decode())


@contextlib.contextmanager
def exporter(url: str, *options: str, log: Path) -> Iterator[Exporter]:
    """Starts redis_exporter for the server at `url`, and stops it at the end."""
    binary = program("prometheus-redis-exporter")
    # Its settings may also come from the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    process: subprocess.Popen[bytes] | None = None
    port = 0

    def started() -> bool:
        nonlocal process, port
        port = free_port()
        arguments = [binary, "-redis.addr", url, "-web.listen-address", f"127.0.0.1:{port}", *options]
        with log.open("wb") as output:
            process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)
        until_sync("the exporter responds or exits", lambda: responds() or exited())
        if not exited():
            return True
        text = log.read_text()
        assert "address already in use" in text, text
        return False

    def responds() -> bool:
        try:
            Exporter(port).scrape()
        except OSError:
            return False
        return True

    def exited() -> bool:
        return process is None or process.poll() is not None

    try:
        until_sync("the exporter has a free port", started)
        yield Exporter(port)
    finally:
        if process is not None:
            process.terminate()
            process.wait()
