"""Settings from code, the environment and a file; and what is told of mistakes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelog import ConfigError, Limits, RateLimiter, SyncRateLimiter
from ratelog.settings import EXEMPT, load
from ratelog.target import Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ratelog.toml"


def test_code_goes_before_the_environment_and_that_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('prefix = "file"\ntimeout = 0.5\nfailures = 9\n')
    monkeypatch.setenv("RATELOG_TIMEOUT", "0.25")
    monkeypatch.setenv("RATELOG_PREFIX", "environment")
    monkeypatch.setenv("RATELOG_CONFIG", str(file))
    told = load(prefix="code")
    assert (told.prefix, told.timeout, told.failures, told.pool_size) == ("code", 0.25, 9, 4)


def test_the_environment_has_lists_with_commas_and_rules_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATELOG_EXEMPT", "/docs, /up*")
    monkeypatch.setenv("RATELOG_DEFAULT", "10/second; 100/minute")
    monkeypatch.setenv("RATELOG_TRUSTED_PROXIES", "10.0.0.0/8,unix")
    monkeypatch.setenv("RATELOG_POLICIES", '{"login": "5/minute"}')
    told = load()
    assert told.exempt == ("/docs", "/up*")
    assert told.default == Limits("10/second; 100/minute")
    assert told.trusted_proxies == ("10.0.0.0/8", "unix")
    assert told.policies == {"login": Limits("5/minute")}


def test_the_defaults_are_what_the_documents_say() -> None:
    told = load()
    assert (told.on_failure, told.key, told.headers, told.exempt) == ("local", "ip", "draft-11", EXEMPT)
    assert {"/docs", "/openapi.json", "/health"} <= set(EXEMPT)
    assert "redis://" not in repr(told)


MISTAKES = [
    ('default = "10/fortnight"', "default: expected a unit of time (ms, s, m, h or d), found 'fortnight'"),
    ("timeout = 0", "timeout: Input should be greater than 0"),
    ('on_failure = "panic"', "on_failure: Input should be 'local', 'allow' or 'deny'"),
    ("probe_min = 9", "expected probe_max to be at least probe_min (9.0), not 5.0"),
    ("nonsense = 1", "nonsense: there is no such setting"),
    ('trusted_proxies = ["10.0.0/8"]', '"10.0.0/8" is neither a network such as 10.0.0.0/8 nor an address'),
    ('default = "1/s"\ndefault_policy = "api"', "expected default or default_policy, not both"),
    ('[[endpoints]]\npath = "/a"', "endpoints[0]: expected exactly one of limits, policy and exempt = true"),
    ('[[endpoints]]\npath = "/a"\nlimit = "1/s"', "endpoints[0].limit: there is no such setting"),
    ('[[endpoints]]\npath = "/a"\npolicy = "x"\ncost = 0', "endpoints[0].cost: Input should be greater than or equal"),
    ('[policies]\nlogin = ["1/s", 5]', "policies.login: expected rules such as '100/minute', or a list of them"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_in_the_file_is_told_with_its_place_and_what_was_expected(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value).startswith(f"{file}: {told}"), error.value


def test_each_mistake_is_told_with_where_it_was_made(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("failures = 0")
    monkeypatch.setenv("RATELOG_POOL_SIZE", "many")
    with pytest.raises(ConfigError) as error:
        SyncRateLimiter("memory://", config=file, timeout=-1.0)
    lines = str(error.value).splitlines()
    assert {line.split(":")[0] for line in lines} == {
        "argument",
        "environment variable RATELOG_POOL_SIZE",
        str(file),
    }


def test_a_file_that_is_not_there_or_no_toml_is_told(file: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(file)
    file.write_text("default = = 1")
    with pytest.raises(ConfigError, match=r"this is no TOML: .*line 1"):
        load(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["default", "exempt", "timeout", "headers", "policies", "endpoints", "instances", "x"]),
        st.one_of(
            st.text(max_size=12), st.integers(), st.booleans(), st.none(), st.floats(), st.lists(st.text(max_size=6)),
            st.dictionaries(st.text(max_size=4), st.text(max_size=9), max_size=2),
        ),
        max_size=3,
    )
)  # fmt: skip
def test_whatever_is_given_is_taken_or_told_to_be_wrong(given_: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):
        load(**given_)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.com", "url: expected one of memory://, redis://"),
        ("redis", "url: expected one of memory://"),
        ("redis+cluster://example.com:7000/3", "url: a cluster has database 0 alone, not '3'"),
        ("redis+cluster://example.com:port", "url: expected host:port, not 'example.com:port'"),
        ("redis+cluster://", "url: expected host:port, not ''"),
        ("redis+sentinel://example.com/api/x", "url: expected a number for the database, not 'x'"),
    ],
)
def test_a_url_that_is_none_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        Target.parse(url.replace("://", "://user:secret@", 1) if "+" in url and "@" not in url else url)
    assert str(error.value).startswith(told)
    assert "secret" not in str(error.value)


def test_a_url_of_several_hosts_says_all_that_a_client_needs() -> None:
    target = Target.parse("rediss+sentinel://ada:p%40ss@192.0.2.1,[2001:db8::1]:7/api/2?health_check_interval=5")
    assert target.hosts == (("192.0.2.1", 26379), ("2001:db8::1", 7))
    assert (target.service, target.options["db"], target.options["ssl"]) == ("api", 2, True)
    assert (target.options["username"], target.options["password"]) == ("ada", "p@ss")
    assert "p@ss" not in repr(target)


def test_what_can_change_while_running_does_and_the_rest_is_refused(file: Path) -> None:
    file.write_text('default = "1/minute"\n')
    limiter = RateLimiter("memory://", config=file)
    file.write_text('default = "2/minute"\nheaders = "both"\n')
    limiter.reload()
    assert (limiter.settings.default, limiter.settings.headers) == (Limits("2/minute"), "both")
    file.write_text("default = 7\n")
    with pytest.raises(ConfigError):
        limiter.reload()
    file.write_text('default = "3/minute"\ntimeout = 3\n')
    with pytest.raises(ConfigError, match=r"^timeout: this cannot change while running$"):
        limiter.reload()
    assert limiter.settings.default == Limits("2/minute")
