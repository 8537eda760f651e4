"""The settings of a limiter: from code, the environment and a TOML file, in this order of precedence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from pydantic_settings import TomlConfigSettingsSource as TomlSource

from ._core import Limits, Policies, TrustedProxies
from .errors import ConfigError

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError
else:
    from tomli import TOMLDecodeError

ENV_PREFIX = "RATELOG_"
CONFIG_VARIABLE = "RATELOG_CONFIG"

EXEMPT = ("/health", "/healthz", "/livez", "/readyz", "/ping")
"""The paths that are exempt by default, with those of the application's documentation."""


def _to_limits(value: object, expected: str) -> Limits:
    if isinstance(value, (list, tuple)) and value and all(isinstance(rule, str) for rule in value):
        value = "; ".join(value)
    if isinstance(value, Limits):
        return value
    if isinstance(value, str):
        return Limits(value)
    raise ValueError(f"expected rules such as '100/minute', {expected}")


def _parse_rules(value: object) -> object:
    return _to_limits(value, "or a list of them")


def _parse_limits(value: object) -> object:
    if value is None or isinstance(value, Mapping):
        return value
    return _to_limits(value, "a list of them, or a table of rules for each plan")


def _parse_strings(value: object) -> object:
    """Splits the text of an environment variable at commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


Rules = Annotated[Limits, BeforeValidator(_parse_rules)]
# pydantic-settings before 2.14 reads JSON from the environment only if the annotation is outside the union.
PlanLimits = Annotated[Limits | dict[str, Rules] | None, BeforeValidator(_parse_limits)]
Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_strings)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Endpoint(BaseModel):
    """The limits of the endpoints that match a path pattern, methods and tags."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    path: str = "/*"
    """A path as in a route: `/users/{id}`, `/files/{path:path}`; a `*` at the end matches any rest."""
    methods: Annotated[tuple[str, ...], BeforeValidator(_parse_strings)] = ()
    """HTTP methods, and `WEBSOCKET` for WebSockets; empty for all."""
    tags: Annotated[tuple[str, ...], BeforeValidator(_parse_strings)] = ()
    """Tags of FastAPI routes, of which an endpoint has at least one; empty for all."""
    limits: PlanLimits = None
    """The limits of each key, or those of each plan."""
    policy: str | None = None
    """The name of a policy that the server stores."""
    key: str | None = None
    """The name of a key; `None`: the setting `key`."""
    cost: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The units that a request records."""
    scope: str | None = None
    """Endpoints of one scope share their units; `None`: each path is counted separately."""
    exempt: bool = False
    """Whether the endpoint is exempt from all limits; in place of `limits` and `policy`."""
    override_defaults: bool = False
    """Whether the endpoint is exempt from the default limits."""

    @model_validator(mode="after")
    def _validate(self) -> Endpoint:
        if [self.limits is not None, self.policy is not None, self.exempt].count(True) != 1:
            raise ValueError("expected exactly one of limits, policy and exempt = true")
        if not self.path.startswith("/"):
            raise ValueError(f"expected a path that begins with '/', not {self.path!r}")
        if self.policy is not None:
            Limits.of_policy(self.policy)
        return self

    @property
    def effective_limits(self) -> Limits | Mapping[str, Limits] | None:
        """Rules, rules for each plan, or a policy; `None` if the endpoint is exempt."""
        return self.limits if self.policy is None else Limits.of_policy(self.policy)


def _validate_with(key: str, create: Callable[..., object], *arguments: object) -> None:
    try:
        create(*arguments)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


class Settings(BaseSettings):
    """All settings with their defaults. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    enabled: bool = True
    """Whether checks are made. If not, every check is allowed and nothing is recorded."""
    url: str = Field("redis://localhost:6379/0", repr=False)
    """`redis://`, `rediss://`, `unix://`, `redis+cluster://`, `redis+sentinel://`, or `memory://` for no server."""
    prefix: str | None = None
    """The prefix of all Redis keys. `None`: `ratelog:` and the title of the protected application, such as
    `ratelog:shop-api`, or `ratelog` without a title. Services with the same prefix share limits."""

    default: PlanLimits = None
    """The limits of each key over all endpoints together."""
    default_policy: str | None = None
    """The same limits as a policy that the server stores, by its name; in place of `default`."""
    default_per_endpoint: PlanLimits = None
    """The limits of each key at each endpoint, in addition to `default`."""
    key: str = "ip"
    """The default key: `ip`, `api_key`, `user`, or a name registered with `limiter.key`."""
    exempt: Strings = ()
    """Exempt paths, in addition to the default ones. They may have patterns as in `Endpoint.path`."""
    exempt_defaults: bool = True
    """Whether `/health`, `/healthz`, `/livez`, `/readyz`, `/ping` and the pages of the application's documentation are
    exempt, too."""
    count_preflight: bool = False
    """Whether CORS preflight requests count."""
    endpoints: tuple[Endpoint, ...] = ()
    """Limits of endpoints, in addition to the default. The first match applies."""

    trusted_proxies: Strings = ()
    """Networks and addresses of proxies that are trusted to report the client's address; `unix` for Unix sockets."""
    proxy_header: Literal[
        "x-forwarded-for", "forwarded", "cf-connecting-ip", "x-real-ip", "true-client-ip", "fly-client-ip"
    ] = "x-forwarded-for"
    """The header in which proxies report the client's address."""
    api_key_header: str = "X-API-Key"
    """The header that has the key `api_key`."""
    headers: Literal["draft-11", "x-ratelimit", "x-ratelimit-epoch", "both", "none"] = "draft-11"
    """The family of rate limit headers in responses; `X-RateLimit-Reset` is seconds from now, or with
    `x-ratelimit-epoch` Unix time in seconds."""
    expose_headers: bool = True
    """Whether responses to requests from other origins let browsers' scripts read the rate limit headers."""
    openapi_description: bool = True
    """Whether the description of each operation in the OpenAPI schema lists its limits."""

    fallback: Literal["local", "allow", "deny"] = "local"
    """Decides checks while the server is unavailable: the limiter in this process, or a fixed outcome."""
    instances: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The number of processes that share each limit while the server is unavailable, or if there is none."""
    local_max_bytes: Annotated[int, Field(ge=65_536, le=1 << 48)] = 67_108_864
    """The maximum memory of the limiter in this process, in bytes."""
    policies: dict[str, Rules] = Field(default_factory=dict)
    """Rules of policies, for use while the server is unavailable or if it lacks the module."""
    deny_cache: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    """The number of keys whose denials are cached until their retry-after; 0 disables the cache."""
    backend: Literal["auto", "module", "script"] = "auto"
    """The commands to use: the module's or the Lua script; `auto` detects the module."""

    timeout: Seconds = 0.1
    """The maximum time that a check waits for the server, in seconds."""
    connect_timeout: Seconds = 1.0
    """The maximum time to open a connection, in seconds."""
    failure_threshold: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """The number of consecutive failed checks that opens the circuit breaker."""
    probe_min_interval: Seconds = 0.1
    """The first interval between probes of an unavailable server, in seconds; jitter at most doubles it."""
    probe_max_interval: Seconds = 5.0
    """The longest interval between probes, in seconds; jitter at most doubles it."""
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 4
    """The maximum number of connections, per event loop or process."""

    @model_validator(mode="after")
    def _validate(self) -> Settings:
        if self.default is not None and self.default_policy is not None:
            raise ValueError("expected default or default_policy, not both")
        if self.prefix is not None and ("{" in self.prefix or "}" in self.prefix):
            raise ValueError(f"prefix: expected no braces, which mark the hash tag of a key, not {self.prefix!r}")
        if self.probe_max_interval < self.probe_min_interval:
            least = f"probe_min_interval ({self.probe_min_interval})"
            raise ValueError(f"expected probe_max_interval to be at least {least}, not {self.probe_max_interval}")
        networks = [network for network in self.trusted_proxies if network != "unix"]
        if self.default_policy is not None:
            _validate_with("default_policy", Limits.of_policy, self.default_policy)
        _validate_with("policies", Policies, self.policies)
        _validate_with("trusted_proxies", TrustedProxies, networks, self.proxy_header)
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
        """Code takes precedence over the environment, and the environment over the file."""
        return init_settings, env_settings, TomlSource(settings_cls)

    @property
    def effective_default(self) -> Limits | Mapping[str, Limits] | None:
        """The default limits: rules, rules for each plan, or a policy."""
        return self.default if self.default_policy is None else Limits.of_policy(self.default_policy)

    @property
    def effective_exempt(self) -> tuple[str, ...]:
        """The exempt paths, with the default ones if they are exempt."""
        return (*self.exempt, *EXEMPT) if self.exempt_defaults else self.exempt


RELOADABLE = frozenset(
    {
        "enabled", "default", "default_policy", "default_per_endpoint", "key", "exempt", "exempt_defaults",
        "count_preflight", "endpoints", "trusted_proxies", "proxy_header", "api_key_header", "headers",
        "expose_headers",
    }
)  # fmt: skip
"""The settings that may change while the limiter runs."""


def load(config: str | os.PathLike[str] | None = None, **arguments: Any) -> Settings:
    """Loads the settings from `arguments`, the environment, and the file `config` or the one that `RATELOG_CONFIG`
    names.

    Raises:
        ConfigError: settings are invalid. The message has one line per error: the place, the key and the expected
        value.
    """
    file = config if config is not None else os.environ.get(CONFIG_VARIABLE)
    path = None if file is None else Path(file)
    _reject_misspelt_variables()
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: file not found")

    class SettingsWithFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return SettingsWithFile(**arguments)
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: invalid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except SettingsError as error:
        name = str(error).split('"')[1]
        raise ConfigError(f"environment variable {ENV_PREFIX}{name.upper()}: expected JSON") from None
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        # pydantic reports an invalid table of plans twice; the error about `Limits` is not helpful.
        helpful = [detail for detail in details if "is-instance[Limits]" not in detail["loc"]]
        raise ConfigError("\n".join(_line(detail, arguments, path) for detail in helpful or details)) from None


def _reject_misspelt_variables() -> None:
    """Raises `ConfigError` for environment variables whose names resemble a setting's.

    Others may exist: Kubernetes sets `RATELOG_PORT` for a service named `ratelog`.
    """
    known = {name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE.removeprefix(ENV_PREFIX)}
    lines = []
    for variable in sorted(os.environ):
        name = variable.upper()
        if name.startswith(ENV_PREFIX) and (name := name.removeprefix(ENV_PREFIX)) not in known:
            similar = get_close_matches(name, known, n=1, cutoff=0.75)
            if similar:
                lines.append(
                    f"environment variable {variable}: unknown setting; did you mean {ENV_PREFIX}{similar[0]}?"
                )
    if lines:
        raise ConfigError("\n".join(lines))


def _line(detail: Any, arguments: Mapping[str, object], path: Path | None) -> str:
    location = [part for part in detail["loc"] if not str(part).startswith(("is-instance[", "dict["))]
    name = str(location[0]) if location else ""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    message = detail["msg"].removeprefix("Value error, ")
    message = "unknown setting" if detail["type"] == "extra_forbidden" else message
    variable = f"{ENV_PREFIX}{name}".upper()
    if name in arguments:
        source = "argument"
    elif variable in {known.upper() for known in os.environ}:
        return f"environment variable {variable}: {message}"
    else:
        source = str(path) if path is not None else "settings"
    return f"{source}: {key}: {message}" if key else f"{source}: {message}"
