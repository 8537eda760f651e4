"""The client of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .placing import UNPLACED, nodes_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.commands import Command, Reply
    from .pool import Asked


class ClusterClient:
    """A client of redis-py that finds the shards by itself, for so many batches at once."""

    def __init__(self, client: Any, *, most: int) -> None:
        self._client = client
        self._free = most

    def take(self) -> Any:
        """The client, if there may be one more."""
        if not self._free:
            return None
        self._free -= 1
        return self._client

    def put(self, carrier: Any) -> None:  # noqa: ARG002 - there is one
        """One less."""
        self._free += 1

    async def carry(self, carrier: Any, asked: Asked) -> bool:
        """By a pipeline to each shard."""
        try:
            await self.carry_alone(asked)
        finally:
            self.put(carrier)
        return True

    async def carry_alone(self, asked: Asked) -> None:
        """The same."""
        keyed = [command for commands, _ in asked for command in commands if command[0] not in UNPLACED]
        replies = iter(await self._of_shards(keyed))
        for commands, future in asked:
            answered: list[Reply] = [
                await self._of_any(command) if command[0] in UNPLACED else next(replies) for command in commands
            ]
            if not future.done():
                future.set_result(answered)

    async def close(self) -> None:
        """It keeps nothing."""

    async def _of_shards(self, commands: Sequence[Command]) -> Sequence[Reply]:
        if not commands:
            return ()
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = await pipeline.execute(raise_on_error=False)
        return replies

    async def _of_any(self, command: Command) -> Reply:
        await self._client.initialize()
        try:
            reply: Reply = await self._client.execute_command(*command, target_nodes=nodes_for(self._client, command))
        except ResponseError as error:
            return error
        return reply
