"""Servers that take connections, and answer nothing or nonsense."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class Hung:
    """A listener that nobody accepts from: the kernel takes the connections, and what they send."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"


class Babbling(Hung):
    """Answers whatever it is asked by what is none of Redis's replies."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        super().__exit__()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._babble, args=(near,)))
                self._threads[-1].start()

    @staticmethod
    def _babble(near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            while near.recv(65536):
                near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
