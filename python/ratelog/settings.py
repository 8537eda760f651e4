"""The settings of a limiter: from code, the environment and a TOML file, in this order of precedence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from pydantic_settings import TomlConfigSettingsSource as TomlSource

from ._core import Limits, Policies, Proxies
from .errors import ConfigError

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError
else:
    from tomli import TOMLDecodeError

ENV_PREFIX = "RATELOG_"
CONFIG_VARIABLE = "RATELOG_CONFIG"

EXEMPT = (
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/openapi.json",
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/ping",
)
"""The paths that are not limited unless told otherwise."""


def _read(value: object, expected: str) -> Limits:
    if isinstance(value, (list, tuple)) and value and all(isinstance(rule, str) for rule in value):
        value = "; ".join(value)
    if isinstance(value, Limits):
        return value
    if isinstance(value, str):
        return Limits(value)
    raise ValueError(f"expected rules such as '100/minute', {expected}")


def _rules(value: object) -> object:
    return _read(value, "or a list of them")


def _limits(value: object) -> object:
    return value if isinstance(value, Mapping) else _read(value, "a list of them, or a table of rules for each plan")


def _words(value: object) -> object:
    """A list, which an environment variable has with commas."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Rules = Annotated[Limits, BeforeValidator(_rules)]
PlanLimits = Annotated[Limits | dict[str, Rules], BeforeValidator(_limits)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Endpoint(BaseModel):
    """The limits of the endpoints that a pattern of methods and path matches."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    path: str
    """As in a route: `/users/{id}`, `/files/{path:path}`; or with `*` at its end, for all that begins so."""
    methods: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    """None: all of them; `WEBSOCKET` for WebSockets."""
    limits: PlanLimits | None = None
    policy: str | None = None
    """The name of a policy that the server keeps."""
    key: str | None = None
    """The name of a key; none: that of the settings."""
    cost: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    scope: str | None = None
    """Endpoints of one scope share their limits; none: each path of its own."""
    exempt: bool = False
    override_defaults: bool = False
    """Whether the defaults do not count here."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Endpoint:
        if [self.limits is not None, self.policy is not None, self.exempt].count(True) != 1:
            raise ValueError("expected exactly one of limits, policy and exempt = true")
        if not self.path.startswith("/"):
            raise ValueError(f"expected a path that begins with '/', not {self.path!r}")
        if self.policy is not None:
            Limits.of_policy(self.policy)
        return self

    @property
    def terms(self) -> Limits | Mapping[str, Limits] | None:
        """Rules, rules for each plan, or a policy; `None` if the endpoint is exempt."""
        return self.limits if self.policy is None else Limits.of_policy(self.policy)


def _called(key: str, make: Callable[..., object], *arguments: object) -> None:
    try:
        make(*arguments)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


class Settings(BaseSettings):
    """All settings, with their defaults. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    url: str = Field("redis://localhost:6379/0", repr=False)
    """`redis://`, `rediss://`, `unix://`, `redis+cluster://`, `redis+sentinel://`, or `memory://`: no server."""
    prefix: str = "ratelog"
    """What the names of all keys begin with."""

    default: PlanLimits | None = None
    """What every endpoint is limited to, in all endpoints together, for each key."""
    default_policy: str | None = None
    """The same, as the name of a policy that the server keeps."""
    key: str = "ip"
    """What is counted where nothing else is said: `ip`, `api_key`, `user`, or a name given in code."""
    exempt: Words = EXEMPT
    """Paths, or patterns of them, that are not limited."""
    endpoints: tuple[Endpoint, ...] = ()
    """Limits of endpoints, besides the default. The first that matches counts."""

    trusted_proxies: Words = ()
    """Networks and addresses of proxies whose word on a client's address is taken; `unix` for peers on a Unix
    socket."""
    proxy_field: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    api_key_header: str = "X-API-Key"
    headers: Literal["draft-11", "x-ratelimit", "both", "none"] = "draft-11"

    on_failure: Literal["local", "allow", "deny"] = "local"
    """What becomes of requests while the server is away."""
    instances: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Among how many processes a limit is shared while the server is away."""
    local_max_bytes: Annotated[int, Field(ge=65_536, le=1 << 48)] = 67_108_864
    policies: dict[str, Rules] = Field(default_factory=dict)
    """Rules of policies for when the server is away, or has no module."""
    deny_cache: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    """Remembers denials of so many keys until their retry-after; 0: of none."""
    backend: Literal["auto", "module", "script"] = "auto"

    timeout: Seconds = 0.1
    """The longest that a check waits for the server."""
    connect_timeout: Seconds = 1.0
    failures: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """Checks in a row without an answer after which the circuit breaker opens."""
    probe_min: Seconds = 0.1
    probe_max: Seconds = 5.0
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 4
    """Connections at most."""

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.default is not None and self.default_policy is not None:
            raise ValueError("expected default or default_policy, not both")
        if self.probe_max < self.probe_min:
            raise ValueError(f"expected probe_max to be at least probe_min ({self.probe_min}), not {self.probe_max}")
        networks = [network for network in self.trusted_proxies if network != "unix"]
        if self.default_policy is not None:
            _called("default_policy", Limits.of_policy, self.default_policy)
        _called("policies", Policies, self.policies)
        _called("trusted_proxies", Proxies, networks, self.proxy_field)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Code before the environment before the file."""
        return init_settings, env_settings, TomlSource(settings_cls)

    @property
    def default_terms(self) -> Limits | Mapping[str, Limits] | None:
        """What every endpoint is limited to."""
        return self.default if self.default_policy is None else Limits.of_policy(self.default_policy)


RELOADABLE = frozenset(
    {
        "default", "default_policy", "key", "exempt", "endpoints", "trusted_proxies", "proxy_field", "api_key_header",
        "headers",
    }
)  # fmt: skip
"""The settings that take effect when they are read again."""


def load(config: str | os.PathLike[str] | None = None, **given: Any) -> Settings:
    """The settings that hold: `given` before the environment before the file `config`, or the one that `RATELOG_CONFIG`
    names.

    Raises:
        ConfigError: with a line for each mistake: where it was made, the key, and what was expected.
    """
    named = config if config is not None else os.environ.get(CONFIG_VARIABLE)
    path = None if named is None else Path(named)
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: there is no such file")

    class Loaded(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return Loaded(**given)
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: this is no TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except SettingsError as error:
        name = str(error).split('"')[1]
        raise ConfigError(f"environment variable {ENV_PREFIX}{name.upper()}: expected JSON") from None
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        # Of what may be a table, that it is no text tells nothing.
        told = [mistake for mistake in mistakes if "is-instance[Limits]" not in mistake["loc"]]
        raise ConfigError("\n".join(_line(mistake, given, path) for mistake in told or mistakes)) from None


def _line(mistake: Any, given: Mapping[str, object], path: Path | None) -> str:
    place = [part for part in mistake["loc"] if not str(part).startswith(("is-instance[", "dict["))]
    name = str(place[0]) if place else ""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    message = mistake["msg"].removeprefix("Value error, ")
    message = "there is no such setting" if mistake["type"] == "extra_forbidden" else message
    variable = f"{ENV_PREFIX}{name}".upper()
    if name in given:
        where = "argument"
    elif variable in {known.upper() for known in os.environ}:
        return f"environment variable {variable}: {message}"
    else:
        where = str(path) if path is not None else "settings"
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"
