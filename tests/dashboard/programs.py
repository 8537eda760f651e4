"""Chromium, and the dashboard as a program."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest

from support.server import ROOT, free_port
from support.wait import until_sync

BINARY = Path(os.environ.get("RATELOG_DASHBOARD", ROOT / "target/debug/ratelog-dashboard"))
AXE = ROOT / "tests/dashboard/node_modules/axe-core/axe.min.js"

PASSWORDS = {"operator": "an operator's password", "viewer": "a viewer's password"}

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A host name for which browsers have no clipboard, because it is neither this machine nor HTTPS.
    "--host-resolver-rules=MAP dashboard.test 127.0.0.1",
]


def chromium() -> str:
    """The path of Chromium. Skips the test if it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed (on Debian, as root: apt-get install chromium)")
    return path


@functools.cache
def _hash(password: str) -> str:
    finished = subprocess.run([BINARY, "hash-password"], input=password, capture_output=True, text=True, check=True)
    return finished.stdout.strip()


class Dashboard:
    """A dashboard for the servers at `url`, with passwords for both roles unless `passwords` is false."""

    def __init__(self, url: str, *options: str, passwords: bool = True, base_path: str = "") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="rl"))
        self.base_path = base_path
        self._prints_link = not passwords
        # Sessions survive a restart.
        self._options = ["--url", url, "--secret", "s" * 64, "--allowed-host", "dashboard.test", *options]
        if base_path:
            self._options += ["--base-path", base_path]
        if passwords:
            for role, password in PASSWORDS.items():
                self._options += [f"--{role}-password-hash", _hash(password)]
        self._process: subprocess.Popen[bytes] | None = None
        until_sync("the dashboard has a free port", self._start_on_a_free_port)

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        """The URL of a page."""
        return f"http://{host}:{self.port}{self.base_path}{path}"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def link(self) -> str:
        """The link that signs in once."""
        links = re.findall(r"http://\S+\?token=\w+", self.log)
        assert links, self.log
        return str(links[-1])

    def stop(self) -> None:
        """Stops the program."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Starts the program again, on the same port."""
        until_sync("the dashboard restarts", self._start)

    def close(self) -> None:
        self.stop()
        text = self.log
        shutil.rmtree(self.directory, ignore_errors=True)
        assert "panicked at" not in text, text

    def _start_on_a_free_port(self) -> bool:
        self.port = free_port()
        return self._start()

    def _start(self) -> bool:
        arguments = [str(BINARY), "--listen", f"127.0.0.1:{self.port}", *self._options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RATELOG_DASHBOARD")}
        with (self.directory / "log").open("wb") as log, (self.directory / "audit").open("ab") as audit:
            process = subprocess.Popen(arguments, env=environment, stdout=audit, stderr=log)
        self._process = process
        until_sync("the dashboard responds or exits", lambda: process.poll() is not None or self._responds())
        if process.poll() is None:
            return True
        self._process = None
        assert "in use" in self.log, self.log
        return False

    def _responds(self) -> bool:
        try:
            with urllib.request.urlopen(self.url("/healthz"), timeout=30):  # noqa: S310
                return "token=" in self.log or not self._prints_link
        except OSError:
            return False
