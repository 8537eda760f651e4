"""A real server, in a folder of its own, which ends with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .wait import until_sync

ROOT = Path(__file__).parents[3]
BINARY = shutil.which(os.environ.get("SERVER", "redis-server")) or "redis-server"
MODULE = Path(os.environ.get("RATELOG_MODULE", ROOT / "target/release/libratelog.so"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return cast("int", listener.getsockname()[1])


class PortTakenError(Exception):
    pass


class Server:
    """A server with the module, unless told otherwise, and more lines of configuration."""

    def __init__(self, *lines: str, module: bool = True, sentinel: bool = False) -> None:
        memory = Path("/dev/shm")  # noqa: S108
        self.directory = Path(tempfile.mkdtemp(prefix="rl", dir=memory if memory.is_dir() else None))
        self._lines = lines
        self._module = module and not sentinel
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []
        until_sync("ports of its own for the server", self._starts_on_free_ports)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket(self) -> Path:
        return self.directory / "s"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def db(self, **options: Any) -> Any:
        """A connection of an operator, closed with the server."""
        client = redis.Redis(host="127.0.0.1", port=self.port, single_connection_client=True, **options)
        self._clients.append(client)
        return client

    def kill(self) -> None:
        """As the power cord does it."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None
        self._close_clients()

    def start_again(self) -> None:
        """On its port, its folder and its configuration."""
        until_sync("the server starts again", self._starts)

    def pause(self) -> None:
        """Stops the process where it stands; the kernel goes on taking connections and bytes for it."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._close_clients()
        if self._process is not None:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        text = self.log
        shutil.rmtree(self.directory, ignore_errors=True)
        assert not any(mark in text for mark in ("BUG REPORT", "panicked at", "ASSERTION FAILED")), text

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server runs"
        return self._process

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _starts_on_free_ports(self) -> bool:
        self.port = free_port()
        try:
            return self._starts()
        except PortTakenError:
            return False

    def _starts(self) -> bool:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"unixsocket {self.socket}",
            "save ''",
            "appendonly no",
            f"dir {self.directory}",
            f"logfile {self.directory / 'log'}",
            "daemonize no",
        ]
        if self._sentinel:
            lines = [line for line in lines if line.split()[0] not in ("save", "appendonly", "unixsocket")]
        if self._module:
            lines.append(f"loadmodule {MODULE}")
        config = self.directory / "server.conf"
        if not config.exists() or not self._sentinel:
            config.write_text("\n".join([*lines, *self._lines, ""]))
        arguments = [BINARY, str(config), *(["--sentinel"] if self._sentinel else [])]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_sync(
            "the server answers or ends",
            lambda: self._process and (self._process.poll() is not None or self._answers()),
        )
        if self._process.poll() is None:
            return True
        self._process = None
        if "in use" in self.log or "creating" in self.log:
            raise PortTakenError
        raise AssertionError(f"the server did not start:\n{self.log}")

    def _answers(self) -> bool:
        client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0))
        try:
            client.ping()
        except (redis.AuthenticationError, redis.BusyLoadingError):
            return True
        except redis.RedisError as error:
            return "NOAUTH" in str(error)
        finally:
            client.close()
        return True
