"""A real server in its own directory, which stops with the test."""

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
    """A server with additional lines of configuration, and with the module unless `module` is false."""

    def __init__(self, *lines: str, module: bool = True, sentinel: bool = False) -> None:
        memory = Path("/dev/shm")  # noqa: S108
        self.directory = Path(tempfile.mkdtemp(prefix="rl", dir=memory if memory.is_dir() else None))
        self._lines = lines
        self._module = module and not sentinel
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []
        until_sync("the server has free ports", self._start_on_free_ports)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket(self) -> Path:
        return self.directory / "s"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def units(self, key: str) -> int:
        """The units in the log of a key."""
        reply = self.db().execute_command("RL.INSPECT", key)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        fields = {name.decode() if isinstance(name, bytes) else name: value for name, value in pairs}
        return int(fields["units"])

    def db(self, **options: Any) -> Any:
        """An administrator's connection, closed with the server."""
        client = redis.Redis(host="127.0.0.1", port=self.port, single_connection_client=True, **options)
        self._clients.append(client)
        return client

    def kill(self) -> None:
        """Kills the process without a shutdown."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None
        self._close_clients()

    def restart(self) -> None:
        """Starts the server again with the same port, directory and configuration."""
        until_sync("the server restarts", self._start)

    def pause(self) -> None:
        """Suspends the process. The kernel still accepts connections and data for it."""
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
        assert self._process is not None, "the server is not running"
        return self._process

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _start_on_free_ports(self) -> bool:
        self.port = free_port()
        try:
            return self._start()
        except PortTakenError:
            return False

    def _start(self) -> bool:
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
            "the server responds or exits",
            lambda: self._process and (self._process.poll() is not None or self._responds()),
        )
        if self._process.poll() is None:
            return True
        self._process = None
        if any(text in self.log for text in ("in use", "creating", "port number too high")):
            raise PortTakenError
        raise AssertionError(f"the server did not start:\n{self.log}")

    def _responds(self) -> bool:
        client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=30, retry=Retry(NoBackoff(), 0))
        try:
            client.ping()
        except (redis.AuthenticationError, redis.BusyLoadingError):
            return True
        except redis.RedisError as error:
            return "NOAUTH" in str(error)
        finally:
            client.close()
        return True
