"""Checks by clients, in a thread of their own."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from support.server import Server

Check = tuple[str, ...]
"""The arguments of RL.CHECK."""


class Traffic:
    """Sends the checks one after the other, again and again, `rate` a second, until the block ends."""

    def __init__(self, server: Server, checks: Sequence[Check], rate: float = 100) -> None:
        self._server = server
        self._checks = checks
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        db = self._server.db()
        try:
            for check in itertools.cycle(self._checks):
                if self._stop.wait(self._pause):
                    return
                db.execute_command("RL.CHECK", *check)
        except Exception as error:  # noqa: BLE001 - the block's end raises it
            self._failure = error
