"""A TCP proxy to a server that can drop replies and hold connections back."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class Proxy:
    """Forwards commands and replies.

    While `drops_replies` is set, commands that contain `drop_at` reach the server, but the connection is closed instead
    of returning the reply.
    """

    def __init__(self, port: int, drop_at: bytes = b"RL.CHECK") -> None:
        self._port = port
        self._drop_at = drop_at
        self.drops_replies = False
        self.forwards = threading.Event()
        """Until it is set, connections are accepted but nothing is forwarded."""
        self.forwards.set()
        self.is_whole = threading.Event()
        """Until it is set, no byte arrives in either direction, and no connection is closed."""
        self.is_whole.set()
        self.dropped = 0
        self.round_trips = 0
        """The number of commands or pipelines that were forwarded, each with its replies."""
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.forwards.set()
        self.is_whole.set()
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def redirect(self, port: int, *, closes: bool = True) -> None:
        """Forwards new connections to another server. Closes the existing ones if `closes` is set."""
        self._port = port
        for end in self._sockets if closes else ():
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += (near, far)
            thread = threading.Thread(target=self._forward, args=(near, far))
            self._threads.append(thread)
            thread.start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        self.forwards.wait()
        with contextlib.suppress(OSError):
            while command := near.recv(65536):
                drops = self.drops_replies and self._drop_at in command
                self.round_trips += 1
                self.is_whole.wait()
                far.sendall(command)
                reply = far.recv(65536)
                self.is_whole.wait()
                if drops:
                    self.dropped += 1
                    break
                near.sendall(reply)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
