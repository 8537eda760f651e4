"""The adapter for requests, and its options."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from ratelog._core import RetryPolicy
from ratelog.requests import RetryAdapter
from ratelog.retry.throttle import Throttles

POLICY = RetryPolicy(max_attempts=2, base=0.001)
URL = "http://user@EXAMPLE.com:8000/path"


class FakeAdapter(HTTPAdapter):
    """Returns given responses in place of a server."""

    def __init__(self, *answers: tuple[int, dict[str, str]], **options: Any) -> None:
        self.answers = list(answers)
        self.closed: list[int] = []
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        assert "idempotent" not in options
        response = requests.Response()
        response.status_code, headers = self.answers.pop(0)
        response.headers.update(headers)
        response._content = b""
        response.close = lambda: self.closed.append(response.status_code)  # type: ignore[method-assign]
        return response


class Adapter(RetryAdapter, FakeAdapter):
    """A retry adapter that wraps another adapter."""

    def __init__(self, *answers: tuple[int, dict[str, str]], **options: Any) -> None:
        RetryAdapter.__init__(self, **options)
        self.answers = list(answers)
        self.closed = []


def status(adapter: Adapter, method: str = "POST", **options: Any) -> int:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", adapter)
        return session.send(session.prepare_request(requests.Request(method, URL)), **options).status_code


@pytest.mark.parametrize(
    ("method", "adapter_default", "of_request", "expected"),
    [
        ("POST", None, None, 503),
        ("POST", True, None, 200),
        ("POST", None, True, 200),
        ("POST", True, False, 503),
        ("GET", None, None, 200),
        ("GET", False, None, 503),
        ("GET", False, True, 200),
    ],
)
def test_idempotent_of_a_request_overrides_that_of_the_adapter(
    method: str, adapter_default: bool | None, of_request: bool | None, expected: int
) -> None:
    adapter = Adapter((503, {}), (200, {}), policy=POLICY, idempotent=adapter_default)
    assert status(adapter, method, idempotent=of_request) == expected
    assert adapter.closed == ([503] if expected == 200 else [])


def test_equal_origins_share_a_throttle() -> None:
    waits: list[float] = []

    class FakeEvent(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            return False

    adapter = Adapter((200, {"RateLimit": '"a";r=0;t=40'}), (200, {}), policy=POLICY)
    adapter._config.monotonic = lambda: sum(waits)
    adapter._throttles = Throttles(FakeEvent)
    with requests.Session() as session:
        session.mount("http://", adapter)
        session.get(URL)
        assert not waits
        session.get("http://example.com:8000/")
    assert sum(waits) >= 40


def test_a_streamed_body_is_sent_once() -> None:
    adapter = Adapter((429, {}), (200, {}), policy=POLICY)
    with requests.Session() as session:
        session.mount("http://", adapter)
        assert session.post(URL, data=iter([b"x"])).status_code == 429


def test_an_adapter_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="RetryPolicy"):
        pickle.dumps(RetryAdapter())
