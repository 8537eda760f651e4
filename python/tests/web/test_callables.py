"""Helpers for the functions of a program."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from ratelog.web.callables import has_dependencies, maybe_await

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request


def _union(connection: Request | HTTPConnection) -> str:
    return "union"


def _any(connection: Any) -> str:
    return "any"


class Callable:
    def __call__(self, connection: HTTPConnection) -> str:
        return "callable"


def _default(connection: HTTPConnection = None) -> str:  # type: ignore[assignment]
    return "default"


def _header(x_tenant: str) -> str:
    return x_tenant


@pytest.mark.parametrize("key", [_union, _any, Callable(), lambda *_: "star", attrgetter("client.host")])
def test_a_function_of_the_connection_only_has_no_dependencies(key: Any) -> None:
    assert not has_dependencies(key)


@pytest.mark.parametrize("key", [_default, _header, lambda: "none", lambda a, b: "two"])
def test_a_function_of_anything_else_has_dependencies(key: Any) -> None:
    assert has_dependencies(key)


async def test_awaitables_are_awaited_and_other_values_returned() -> None:
    async def later() -> str:
        return "later"

    assert await maybe_await(later()) == "later"
    assert await maybe_await("now") == "now"
