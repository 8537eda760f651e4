"""Classifies the errors of redis-py: is the server unavailable, or is the command wrong?"""

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

from .._core import failure_kind
from ..errors import NoPolicyError

if TYPE_CHECKING:
    from typing import Literal

    FailureKind = Literal["transient", "connection-lost"]

TRANSPORT_ERRORS = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
"""The errors that redis-py raises in place of a reply."""


class LimiterClosedError(ConnectionAbortedError):
    """The limiter was closed while a command was in progress. Says nothing about the server."""


_TRANSIENT = (
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
_CONNECTION_LOST = (AuthenticationError, InvalidResponse, ReadOnlyError, RedisConnectionError, OSError)


def classify(error: object) -> FailureKind | None:
    """Returns how the server is unavailable, or `None` if it rejected the command itself.

    `connection-lost`: the connection leads to no server, or not to a primary. `transient`: the server did not serve
    this command, but the next one may succeed.
    """
    if isinstance(error, _TRANSIENT):
        return "transient"
    if isinstance(error, _CONNECTION_LOST):
        return "connection-lost"
    if isinstance(error, ResponseError):
        return failure_kind(str(error).split(" ", 1)[0])
    return None


def is_rejection(error: object) -> bool:
    """Whether the server, or this process in its place, rejected a command as wrong."""
    return isinstance(error, (ResponseError, NoPolicyError))


def connect_error(error: Exception) -> RedisConnectionError:
    """Wraps an error that is not redis-py's, raised while connecting: a credential provider may raise anything."""
    return RedisConnectionError(f"cannot connect: {error!r}")


def describe(error: BaseException) -> str:
    """The error in one line. redis-py may quote a whole command, even the script; an error may also have no text."""
    line = str(error).partition("\n")[0]
    return textwrap.shorten(line, 300, placeholder=" ...") or type(error).__name__
