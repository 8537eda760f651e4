"""Settings from code, the environment and a file, and the messages of errors."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelog import ConfigError, Limits, RateLimiter, Settings, SyncRateLimiter
from ratelog._core import LimitSet, TrustedProxies
from ratelog.settings import EXEMPT, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RATELOG_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ratelog.toml"


def test_code_takes_precedence_over_the_environment_and_the_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text('timeout = 1\nprefix = "file"\nkey = "user"\n')
    monkeypatch.setenv("RATELOG_TIMEOUT", "2")
    monkeypatch.setenv("RATELOG_PREFIX", "environment")
    loaded = load(file, timeout=3)
    assert (loaded.timeout, loaded.prefix, loaded.key, loaded.failure_threshold) == (3.0, "environment", "user", 5)
    monkeypatch.setenv("RATELOG_CONFIG", str(file))
    assert load().key == "user"


def test_every_kind_of_value_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "DEFAULT": "10/second; 1000/hour",
        "EXEMPT": "/a, /b ,",
        "TRUSTED_PROXIES": "10.0.0.0/8,unix",
        "POLICIES": '{"gold": ["1/second", "9/minute"]}',
        "ENDPOINTS": '[{"path": "/x", "methods": "GET, POST", "limits": {"free": "1/hour"}}]',
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"RATELOG_{name}", value)
    loaded = load()
    assert loaded.effective_default == Limits("10/second; 1000/hour")
    assert (loaded.exempt, loaded.trusted_proxies) == (("/a", "/b"), ("10.0.0.0/8", "unix"))
    assert loaded.policies == {"gold": Limits("1/second; 9/minute")}
    (endpoint,) = loaded.endpoints
    assert (endpoint.methods, endpoint.effective_limits) == (("GET", "POST"), {"free": Limits("1/hour")})
    monkeypatch.setenv("RATELOG_DEFAULT", '{"free": "1/minute", "pro": "9/minute"}')
    assert load().effective_default == {"free": Limits("1/minute"), "pro": Limits("9/minute")}


def test_every_kind_of_value_is_read_from_a_file(file: Path) -> None:
    file.write_text(
        """
        default_policy = "gold"
        policies = { gold = "5/minute", off = "0/week" }
        [[endpoints]]
        path = "/search"
        limits = ["1/second", "9/minute"]
        [[endpoints]]
        path = "/login"
        policy = "login"
        [[endpoints]]
        path = "/static/*"
        exempt = true
        """
    )
    loaded = load(file)
    assert loaded.effective_default == Limits.of_policy("gold")
    assert loaded.policies["off"] == Limits.of_rules([(0, 604_800_000)])
    assert [endpoint.effective_limits for endpoint in loaded.endpoints] == [
        Limits("1/second; 9/minute"),
        Limits.of_policy("login"),
        None,
    ]


def test_the_defaults_are_as_documented() -> None:
    loaded = load()
    assert (loaded.fallback, loaded.key, loaded.headers, loaded.exempt) == ("local", "ip", "draft-11", ())
    assert loaded.effective_exempt == EXEMPT
    assert "redis://" not in repr(loaded)


def test_the_names_of_headers_are_those_of_the_core() -> None:
    for setting, create in (
        ("proxy_header", lambda name: TrustedProxies([], name)),
        ("headers", lambda name: LimitSet([Limits("1/minute")], name)),
    ):
        with pytest.raises(ValueError, match="is not one of") as raised:
            create("unknown")
        names = get_args(Settings.model_fields[setting].annotation)
        assert str(raised.value) == f'"unknown" is not one of {", ".join(names)}'
        for name in names:
            create(name)
            assert getattr(load(**{setting: name}), setting) == name


def test_a_misspelt_variable_is_refused_and_those_of_other_programs_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "RATELOG_PORT",
        "RATELOG_SERVICE_HOST",
        "RATELOG_PORT_6379_TCP_ADDR",
        "RATELOG_MODULE",
        "RATELOG_CONFIG",
    ):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("RATELOG_CONFIG")
    load()
    monkeypatch.setenv("RATELOG_TIMOUT", "1")
    monkeypatch.setenv("ratelog_defualt", "1/minute")
    with pytest.raises(ConfigError) as raised:
        load()
    assert str(raised.value).split("\n") == [
        "environment variable RATELOG_TIMOUT: unknown setting; did you mean RATELOG_TIMEOUT?",
        "environment variable ratelog_defualt: unknown setting; did you mean RATELOG_DEFAULT?",
    ]


RULES = "expected rules such as '100/minute', a list of them"
NAME = "a policy's name is 1 to 64 characters of A-Z a-z 0-9 . _ : - /"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"prefix": "a{b}"},
            "settings: prefix: expected no braces, which mark the hash tag of a key, not 'a{b}'",
        ),
        ({"timeout": -1}, "argument: timeout: Input should be greater than 0"),
        ({"tiemout": 1}, "argument: tiemout: unknown setting"),
        (
            {"default": "5/fortnight"},
            "argument: default: expected a unit of time (ms, s, m, h, d or w), found 'fortnight'\n5/fortnight\n  ^",
        ),
        ({"default": 5}, f"argument: default: {RULES}, or a table of rules for each plan"),
        (
            {"default": {"free": "1/x"}},
            "argument: default.free: expected a unit of time (ms, s, m, h, d or w), found 'x'\n1/x\n  ^",
        ),
        ({"default": {"free": {"a": "1/s"}}}, f"argument: default.free: {RULES[:-16]}, or a list of them"),
        ({"default": "1/s", "default_policy": "x"}, "settings: expected default or default_policy, not both"),
        ({"default_policy": "a b"}, f'settings: default_policy: {NAME}, not "a b"'),
        ({"policies": {"a b": "1/s"}}, f'settings: policies: {NAME}, not "a b"'),
        (
            {"policies": {"a": Limits.of_policy("x")}},
            "settings: policies: expected rules, not the policy 'x'",
        ),
        ({"fallback": "pray"}, "argument: fallback: Input should be 'local', 'allow' or 'deny'"),
        (
            {"endpoints": [{"path": "x", "limits": "1/s"}]},
            "argument: endpoints[0]: expected a path that begins with '/', not 'x'",
        ),
        (
            {"endpoints": [{"path": "/x"}]},
            "argument: endpoints[0]: expected exactly one of limits, policy and exempt = true",
        ),
        (
            {"endpoints": [{"path": "/x", "limits": "1/s", "cots": 1}]},
            "argument: endpoints[0].cots: unknown setting",
        ),
        (
            {"probe_min_interval": 5, "probe_max_interval": 1},
            "settings: expected probe_max_interval to be at least probe_min_interval (5.0), not 1.0",
        ),
        (
            {"trusted_proxies": ["10.0.0.0/99"]},
            'settings: trusted_proxies: "10.0.0.0/99" is neither a network such as 10.0.0.0/8 nor an address',
        ),
        (
            {"timeout": 0, "failure_threshold": 0},
            """argument: timeout: Input should be greater than 0
argument: failure_threshold: Input should be greater than or equal to 1""",
        ),
    ],
)
def test_an_error_in_code_names_the_argument(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(None, **given)
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("TIMEOUT", "x", "Input should be a valid number, unable to parse string as a number"),
        ("ENDPOINTS", "[", "expected JSON"),
        ("POLICIES", "gold", "expected JSON"),
        ("BACKEND", "lua", "Input should be 'auto', 'module' or 'script'"),
    ],
)
def test_an_error_in_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(f"RATELOG_{name}", value)
    with pytest.raises(ConfigError) as raised:
        load()
    assert str(raised.value) == f"environment variable RATELOG_{name}: {text}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"timeout = 'x'", "timeout: Input should be a valid number, unable to parse string as a number"),
        (b"tiemout = 1", "tiemout: unknown setting"),
        (b"x =", "invalid TOML: Invalid value (at end of document)"),
        (b"\xff", "invalid TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"[[endpoints]]\npath = '/'\ncost = 0", "endpoints[0].cost: Input should be greater than or equal to 1"),
        (b"default = '1/s'\ndefault_policy = 'p'", "expected default or default_policy, not both"),
    ],
)
def test_an_error_in_a_file_names_the_path(file: Path, content: bytes, text: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value) == f"{file}: {text}"


def test_each_error_names_its_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("failure_threshold = 0")
    monkeypatch.setenv("RATELOG_MAX_CONNECTIONS", "many")
    with pytest.raises(ConfigError) as raised:
        SyncRateLimiter("memory://", config=file, timeout=-1.0)
    places = {line.partition(":")[0] for line in str(raised.value).splitlines()}
    assert places == {"argument", "environment variable RATELOG_MAX_CONNECTIONS", str(file)}


def test_a_missing_file_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        RateLimiter(config=file)
    assert str(raised.value) == f"{file}: file not found"


def test_a_url_is_never_shown() -> None:
    loaded = load(url="redis://:secret@example.com/0")
    assert "secret" not in repr(loaded)
    with pytest.raises(ConfigError) as raised:
        load(url=["redis://:secret@example.com/0"])
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["failure_threshold", "instances", "local_max_bytes", "deny_cache", "max_connections"])
def test_a_number_out_of_range_is_an_error_with_the_maximum(name: str) -> None:
    bound = next(fact.le for fact in Settings.model_fields[name].metadata if hasattr(fact, "le"))
    given: dict[str, Any] = {name: bound}
    RateLimiter(**given)
    for given[name] in (bound + 1, 1 << 64):
        with pytest.raises(ConfigError, match=f"argument: {name}: Input should be less than or equal to {bound}"):
            RateLimiter(**given)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "other"]), values, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_arguments_raise_only_config_errors(given: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):
        RateLimiter(**given)


@given(st.sampled_from([*Settings.model_fields]), st.text(st.characters(exclude_characters="\0", codec="utf-8")))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_environment_raises_only_config_errors(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.suppress(ConfigError):
        monkeypatch.setenv(f"RATELOG_{name.upper()}", value)
        RateLimiter()


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_raises_only_config_errors(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        RateLimiter(config=file)


@pytest.mark.parametrize("kind", [RateLimiter, SyncRateLimiter])
def test_a_reload_applies_all_changes_or_none(kind: type[RateLimiter | SyncRateLimiter], file: Path) -> None:
    file.write_text('url = "memory://"\ndefault = "1/minute"\n')
    limiter = kind(config=file)
    file.write_text('url = "memory://"\ndefault = "9/minute"\nexempt = ["/a"]\n')
    limiter.reload()
    assert (limiter.settings.effective_default, limiter.settings.exempt) == (Limits("9/minute"), ("/a",))
    for content, text in (
        (
            'url = "memory://"\ndefault = "2/minute"\nfailure_threshold = 9',
            "failure_threshold: this setting cannot change while the limiter runs",
        ),
        ("default = 7", f"{file}: default: {RULES}, or a table of rules for each plan"),
    ):
        file.write_text(content)
        with pytest.raises(ConfigError) as raised:
            limiter.reload()
        assert str(raised.value) == text
        assert limiter.settings.effective_default == Limits("9/minute")
