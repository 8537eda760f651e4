"""What an error of redis-py says of the server."""

from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MaxConnectionsError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from .._core import absence as absence_of_code

if TYPE_CHECKING:
    from typing import Literal

    Absence = Literal["unserved", "lost"]

TRANSPORT = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
"""What is raised where there is no reply."""


class LimiterClosedError(ConnectionAbortedError):
    """The limiter was closed while it asked: nothing is said of the server."""


_UNSERVED = (
    asyncio.TimeoutError,
    AskError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MaxConnectionsError,
    OutOfMemoryError,
    RedisClusterException,
    RedisTimeoutError,
    TryAgainError,
)
_LOST = (AuthenticationError, InvalidResponse, ReadOnlyError, RedisConnectionError, OSError)


def absence_of(error: object) -> Absence | None:
    """`lost` if the connection leads nowhere, or to no primary; `unserved` if the server did not serve this one; `None`
    if it is there and refuses the command itself."""
    if isinstance(error, _UNSERVED):
        return "unserved"
    if isinstance(error, _LOST):
        return "lost"
    if isinstance(error, ResponseError):
        return absence_of_code(str(error).split(" ", 1)[0])
    return None


def unconnected(error: Exception) -> RedisConnectionError:
    """What kept a connection from being made, where it is no error of redis-py's: a provider of credentials may raise
    anything."""
    return RedisConnectionError(f"no connection could be made: {error!r}")


def describe(error: BaseException) -> str:
    """The error in a line, also where it has no text; redis-py may show a whole command, and so the script."""
    line = str(error).partition("\n")[0]
    return textwrap.shorten(line, 300, placeholder=" ...") or type(error).__name__
