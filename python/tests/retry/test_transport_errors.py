"""Errors that are retried, and errors that are not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError
from urllib3.exceptions import ProxyError as UrllibProxyError

import ratelog.httpx
import ratelog.httpx2
import ratelog.requests
from ratelog._core import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = RetryPolicy(max_attempts=2, base=0.001)
URL = "http://example.com/"


class Counted:
    """Counts calls and always raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.attempts = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.attempts += 1
        raise self.error


def attempts_of_httpx(library: Any, error: Exception, method: str) -> int:
    transports = {httpx: ratelog.httpx, httpx2: ratelog.httpx2}[library]
    failing = Counted(error)
    transport = transports.RetryTransport(library.MockTransport(failing), POLICY)
    with library.Client(transport=transport) as client, pytest.raises(type(error)) as raised:
        client.request(method, URL)
    assert raised.value is error
    return failing.attempts


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
@pytest.mark.parametrize(
    ("name", "attempts_of_get", "attempts_of_post"),
    [
        ("ConnectError", 2, 2),
        ("ConnectTimeout", 2, 2),
        ("PoolTimeout", 2, 2),
        ("ReadTimeout", 2, 1),
        ("WriteTimeout", 2, 1),
        ("ReadError", 2, 1),
        ("RemoteProtocolError", 2, 1),
        ("LocalProtocolError", 1, 1),
        ("UnsupportedProtocol", 1, 1),
        ("ProxyError", 1, 1),
        ("DecodingError", 1, 1),
    ],
)
def test_httpx_retries_network_errors(library: Any, name: str, attempts_of_get: int, attempts_of_post: int) -> None:
    error = getattr(library, name)
    assert attempts_of_httpx(library, error("failed"), "GET") == attempts_of_get
    assert attempts_of_httpx(library, error("failed"), "POST") == attempts_of_post


def test_a_programming_error_is_not_retried() -> None:
    assert attempts_of_httpx(httpx, KeyError("a fault"), "GET") == 1


def not_connected() -> MaxRetryError:
    return MaxRetryError(None, URL, NewConnectionError(None, "refused"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "attempts_of_get", "attempts_of_post"),
    [
        (lambda: requests.ConnectionError(not_connected()), 2, 2),
        (lambda: requests.ConnectTimeout("late"), 2, 2),
        (lambda: requests.ReadTimeout("late"), 2, 1),
        (lambda: requests.ConnectionError(ProtocolError("aborted")), 2, 1),
        (requests.ConnectionError, 2, 1),
        (lambda: requests.exceptions.SSLError(ssl.SSLCertVerificationError("expired")), 1, 1),
        (lambda: requests.exceptions.ProxyError(UrllibProxyError("denied", OSError())), 1, 1),
        (lambda: requests.exceptions.InvalidURL("no host"), 1, 1),
        (lambda: KeyError("a fault"), 1, 1),
    ],
)
def test_requests_retries_network_errors(
    error: Callable[[], Exception], attempts_of_get: int, attempts_of_post: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method, attempts in [("GET", attempts_of_get), ("POST", attempts_of_post)]:
        failing = Counted(error())
        monkeypatch.setattr(HTTPAdapter, "send", failing)
        with requests.Session() as session:
            session.mount("http://", ratelog.requests.RetryAdapter(POLICY))
            with pytest.raises(type(failing.error)):
                session.request(method, URL)
        assert failing.attempts == attempts
