"""Bodies that are read before the application reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratelog.web.replay import Replay

if TYPE_CHECKING:
    from ratelog.web.types import Message


async def test_recorded_messages_are_received_again_before_the_next_ones() -> None:
    messages = iter([{"type": "http.request", "body": str(number).encode()} for number in range(4)])

    async def source() -> Message:
        return next(messages)

    replay = Replay(source)
    assert replay.receive() is source
    recorded = [await replay.record(), await replay.record()]
    receive = replay.receive()
    assert [await receive(), await receive()] == recorded
    assert [(await receive())["body"], (await receive())["body"]] == [b"2", b"3"]
