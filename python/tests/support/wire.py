"""A wire to a server, which can be cut between a command and its reply."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class Wire:
    """Passes everything on. Once it is `cutting`, commands that hold `cut_at` reach the server, and what it replies
    ends the connection instead of reaching anybody."""

    def __init__(self, port: int, cut_at: bytes = b"RL.CHECK") -> None:
        self._port = port
        self._cut_at = cut_at
        self.cutting = False
        self.opens = threading.Event()
        """Until it is set, connections are taken, and nothing of them is passed on."""
        self.opens.set()
        self.cuts = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.opens.set()
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lead_to(self, port: int, *, ends: bool = True) -> None:
        """Has connections from now on lead to another server, and ends those that are, if told."""
        self._port = port
        for end in self._sockets if ends else ():
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
            thread = threading.Thread(target=self._carry, args=(near, far))
            self._threads.append(thread)
            thread.start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        self.opens.wait()
        with contextlib.suppress(OSError):
            while command := near.recv(65536):
                cuts = self.cutting and self._cut_at in command
                far.sendall(command)
                reply = far.recv(65536)
                if cuts:
                    self.cuts += 1
                    break
                near.sendall(reply)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
