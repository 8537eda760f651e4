"""Credentials in URLs, and in everything that a limiter reports."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog import ConfigError, RateLimiter, Settings, UnavailableError
from ratelog.connection.target import _KINDS, Target
from support.cluster import Cluster
from support.server import free_port

if TYPE_CHECKING:
    from support.types import Open, Start

REFUSED = (
    "url: a character of the user name or password must be percent-encoded: "
    "'@' as %40, ':' as %3A, '/' as %2F, '?' as %3F, '#' as %23, '%' as %25"
)
WITH_SERVER = [scheme for scheme in _KINDS if scheme != "memory"]


def url_of(scheme: str, credentials: str) -> str:
    """A URL for the host `h`."""
    location = {"unix": "/run/s", "redis+sentinel": "h/main", "rediss+sentinel": "h/main"}.get(scheme, "h:7")
    return f"{scheme}://{credentials}@{location}"


@pytest.mark.parametrize("scheme", WITH_SERVER)
@pytest.mark.parametrize(
    "credentials", [":p@ss/w#rd", "me:p/w", "me:12#w", "me:12?w", "me:12/3", ":p?w=1", "a/b:p", ":12/3@4", "me:#"]
)
def test_unescaped_credentials_are_refused_without_quoting_them(scheme: str, credentials: str) -> None:
    with pytest.raises(ConfigError) as raised:
        RateLimiter(url_of(scheme, credentials))
    assert str(raised.value) == REFUSED


@pytest.mark.parametrize(
    "url", ["unix:///run/redis@1/s", "unix://me:p%40@/run/s", "redis://me:p@ss@h", "redis://h?client_name=a%40b"]
)
def test_urls_without_ambiguous_credentials_are_accepted(url: str) -> None:
    RateLimiter(url)


@pytest.mark.parametrize(
    "url", ["me:S3cret@h", "me:S3://cret@h", "S3cret", "redis+cluster://me:S3cret", "redis://a:S3cret"]
)
def test_a_url_without_its_scheme_or_host_is_refused_without_quoting_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        RateLimiter(url)
    assert "S3" not in str(raised.value)


@given(st.sampled_from(WITH_SERVER), st.text(min_size=1), st.text(min_size=1))
def test_percent_encoded_credentials_are_accepted(scheme: str, user: str, password: str) -> None:
    user, password = (text.encode(errors="ignore").decode() or "x" for text in (user, password))
    url = url_of(scheme, f"{quote(user, safe='')}:{quote(password, safe='')}")
    options = Target.parse(url).options
    assert (options["username"], options["password"]) == (user, password)


@given(st.sampled_from(WITH_SERVER), st.text("ab@:/?#[]%= ,&", min_size=1))
def test_raw_credentials_are_refused_or_are_no_part_of_the_host(scheme: str, text: str) -> None:
    password = f"S3{text}S3"
    url = url_of(scheme, f":{password}")
    assert "S3" not in repr(Settings(url=url))
    text = ""
    try:
        target = Target.parse(url)
    except ConfigError as error:
        text = str(error)
    else:
        options = {name: value for name, value in target.options.items() if name not in ("username", "password")}
        text = f"{target} {options} {target.hosts} {target.service}"
    assert "S3" not in text.upper()


def reports_of(limiter: Any, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that an operator may see of a limiter."""
    return f"{limiter.health()} {limiter.limiter!r} {limiter.limiter.settings!r} {caplog.text} {caplog.records}"


USERS = {
    "me:S3cret@": "user 'me'",
    ":S3cret@": "user 'default'",
    "S3cret@": "the user without a password",
    "": "user 'default'",
}


@pytest.mark.parametrize("kind", ["redis", "unix", "redis+cluster"])
@pytest.mark.parametrize("credentials", USERS)
async def test_refused_credentials_are_reported_with_the_user_only(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture, kind: str, credentials: str
) -> None:
    if kind == "redis+cluster":
        server = Cluster(start, 1).nodes[0]
        server.db().config_set("requirepass", "right")
    else:
        server = start("requirepass right")
    location = f"{server.socket}?db=0" if kind == "unix" else f"127.0.0.1:{server.port}"
    limiter = open_limiter(f"{kind}://{credentials}{location}")
    assert await limiter.source() == "local"
    error = limiter.health().last_error or ""
    assert error.startswith(f"the server refused the user name or password of {USERS[credentials]}: ")
    assert f"server_unavailable error={error!r}" in caplog.text
    assert "S3cret" not in reports_of(limiter, caplog)


async def test_a_refusal_by_the_primary_of_sentinels_is_reported(start: Start, open_limiter: Open) -> None:
    primary = start("requirepass right")
    sentinel = start(
        f"sentinel monitor main 127.0.0.1 {primary.port} 1", "sentinel auth-pass main right", sentinel=True
    )
    limiter = open_limiter(f"redis+sentinel://me:S3cret@127.0.0.1:{sentinel.port}/main")
    assert await limiter.source() == "local"
    assert "refused the user name or password of user 'me'" in (limiter.health().last_error or "")
    assert "S3cret" not in str(limiter.health())


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
async def test_a_server_without_auth_does_not_reveal_the_password(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    # The server quotes the arguments of a command that it does not know.
    lines = ["cluster-enabled yes"] if kind == "redis+cluster" else []
    server = start('rename-command AUTH ""', *lines)
    limiter = open_limiter(f"{kind}://me:S3cret@127.0.0.1:{server.port}")
    assert await limiter.source() == "local"
    if kind == "redis":
        assert limiter.health().last_error == "cannot connect: ResponseError: unknown command 'AUTH'"
    with pytest.raises(UnavailableError) as raised:
        await limiter.set_override("k", "allow")
    assert "S3cret" not in "".join(traceback.format_exception(raised.value)) + reports_of(limiter, caplog)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster", "redis+sentinel"])
async def test_an_unavailable_server_does_not_reveal_the_password(
    open_limiter: Open, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    limiter = open_limiter(f"{scheme}://me:S3cret@127.0.0.1:{free_port()}{'/main' if 'sentinel' in scheme else ''}")
    assert await limiter.source() == "local"
    with pytest.raises(UnavailableError) as raised:
        await limiter.set_override("k", "allow")
    assert "S3cret" not in "".join(traceback.format_exception(raised.value)) + reports_of(limiter, caplog)
