"""The measured processes: a server with the module, and the applications. Each is a context manager."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.request import urlopen

import redis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

HERE = Path(__file__).parent
START_TIMEOUT = 30.0


class Process:
    """A child process."""

    def __init__(self, words: Sequence[str], **options: Any) -> None:
        self._process: subprocess.Popen[str] = subprocess.Popen(words, text=True, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Terminates the process, and kills it after 10 seconds."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def cpu_seconds(self) -> float:
        """The CPU time of its threads."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


class Store(Process):
    """A server with the module, on a free port and a Unix socket."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ratelog-bench")
        settings = Path(self._folder.name, "server.conf")
        path = Path(self._folder.name, "s")
        self.port = _free_port()
        settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {path}\nsave ''\nappendonly no\n"
            f"dir {self._folder.name}\nlogfile {self._folder.name}/log\nloadmodule {os.environ['RATELOG_MODULE']}\n"
        )
        super().__init__([os.environ.get("SERVER", "redis-server"), str(settings)])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(unix_socket_path=str(path))
        try:
            _until(self._responds, f"the server did not start on port {self.port}")
        except BaseException:
            self.stop()
            raise

    def version(self) -> str:
        """`Redis 7.0.15`."""
        facts: Any = self.client.info("server")
        valkey = facts.get("valkey_version")
        return f"Redis {facts['redis_version']}" if valkey is None else f"Valkey {valkey}"

    def commands(self) -> int:
        """The number of commands that the server has processed."""
        facts: Any = self.client.info("stats")
        return int(facts["total_commands_processed"])

    def stop(self) -> None:
        """Stops the server and removes its directory."""
        self.client.close()
        super().stop()
        self._folder.cleanup()

    def _responds(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(Path(self._folder.name, "log").read_text())
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class App(Process):
    """One of the applications."""

    def __init__(self, name: str, url: str, stack: str) -> None:
        super().__init__([sys.executable, str(HERE / "serve.py"), name, url, stack], stdout=subprocess.PIPE)
        self.name = name
        try:
            # Without a number, the process has exited and printed why.
            self.port = int(cast("Any", self._process.stdout).readline())
            with urlopen(f"http://127.0.0.1:{self.port}/", timeout=START_TIMEOUT) as response:
                response.read()
        except BaseException:
            self.stop()
            raise


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return cast("int", listener.getsockname()[1])


def _until(condition: Any, message: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(0.01)
