"""URLs, and the options that redis-py gets from them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog import ConfigError, RateLimiter
from ratelog.connection.target import _KINDS, Target

SCHEMES = ", ".join(f"{scheme}://" for scheme in _KINDS)

HOSTS = "url: expected host:port after the scheme and the credentials, and commas between several"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://x", f"url: expected one of {SCHEMES}, not http://"),
        ("x", f"url: expected one of {SCHEMES}"),
        ("redis://h:99999", "url: expected scheme://user:password@host:port/0, percent-encoded"),
        ("redis://h?colour=1", "url: redis-py has no option 'colour'"),
        ("redis+cluster://h?colour=1", "url: redis-py has no option 'colour'"),
        ("redis+sentinel://h/s?socket_timeout=x", "url: Invalid value for 'socket_timeout' in connection URL."),
        ("rediss://h?ssl_cert_reqs=x", "url: Invalid SSL Certificate Requirements Flag: x"),
        ("redis+cluster://", HOSTS),
        ("redis+cluster://:secret@a:b", HOSTS),
        ("redis+cluster://a/3", "url: a cluster has only database 0, not '3'"),
        ("redis+sentinel://h", "url: expected the service's name: redis+sentinel://host:26379/service/0"),
        ("redis+sentinel://h/s/x", "url: expected a number for the database, not 'x'"),
    ],
)
def test_an_invalid_url_is_rejected_before_connecting(url: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        RateLimiter(url)
    # redis-py before 5.1 quotes with backticks.
    assert str(raised.value).replace("`", "'") == text


@given(st.sampled_from([*_KINDS]), st.text())
def test_any_url_raises_only_config_errors(scheme: str, rest: str) -> None:
    with contextlib.suppress(ConfigError):
        RateLimiter(f"{scheme}://{rest}")


def test_hosts_credentials_and_options_are_parsed() -> None:
    target = Target.parse("rediss+sentinel://me:p%40ss@a,b:7,[::1]:8/main/3?health_check_interval=5")
    assert target.hosts == (("a", 26379), ("b", 7), ("::1", 8))
    assert (target.kind, target.service) == ("sentinel", "main")
    assert target.options == {"username": "me", "password": "p@ss", "ssl": True, "db": 3, "health_check_interval": 5}
    assert Target.parse("redis+cluster://a,b:7").hosts == (("a", 6379), ("b", 7))
    assert "p@ss" not in repr(target)
