"""The examinations of each server, beside that of the user's rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .._core import Limits
from .finding import Finding
from .output import one_line

if TYPE_CHECKING:
    from ..settings import Settings

Info = Mapping[str, Any]
MODULE = "rl"
"""The module's name in the server."""
MAX_CLOCK_DIFFERENCE_MS = 1000


def module_version(info: Info) -> int | None:
    """The version of the module; `None` if the server does not have it."""
    modules = info.get("modules", [])
    return next((int(module["ver"]) for module in modules if module["name"] == MODULE), None)


def examine_server(info: Info) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    server = f"{name} {info.get('valkey_version') or info.get('redis_version')}"
    if info.get("loading"):
        return Finding("error", "server", f"{server} is loading its dataset; wait until it has")
    if info.get("role") == "slave":
        return Finding("error", "server", f"{server} is a replica; use the primary's address, or redis+sentinel://")
    return Finding("ok", "server", f"{server}, a primary, accepts the credentials")


def examine_module(info: Info, settings: Settings) -> Finding:
    version = module_version(info)
    if version is not None:
        unused = "; the setting backend is 'script', so it is not used" if settings.backend == "script" else ""
        return Finding("warning" if unused else "ok", "module", f"loaded, version {version}{unused}")
    if settings.backend == "module":
        return Finding("error", "module", "not loaded; load it (loadmodule), or set backend to 'auto'")
    if settings.backend == "script":
        return Finding("ok", "module", "not loaded; the setting backend is 'script'")
    text = "not loaded, so the script is used, without stored policies and overrides; load it (loadmodule)"
    return Finding("warning", "module", text)


def policy_names(settings: Settings) -> list[str]:
    """The names of the policies that checks of the settings use."""
    names = [settings.default_policy, *(endpoint.policy for endpoint in settings.endpoints)]
    return sorted({name for name in names if name is not None})


def examine_policies(client: Any, settings: Settings, *, module: bool) -> Finding:
    names = policy_names(settings)
    if not names:
        return Finding("ok", "policies", "the settings name none")
    if not module:
        missing = [name for name in names if name not in settings.policies]
        way_out = "add their rules to the setting policies, or load the module"
    else:
        try:
            missing = [name for name in names if client.execute_command("RL.POLICY", "GET", name) is None]
        except ResponseError as error:
            return Finding("warning", "policies", f"not examined: {one_line(error)}")
        way_out = f"python -m ratelog policies set {missing[0]} LIMITS" if missing else ""
    if missing:
        return Finding("error", "policies", f"{', '.join(missing)}: no such policy; {way_out}")
    return Finding(
        "ok", "policies", f"all that the settings name exist: {', '.join(map(str, map(Limits.of_policy, names)))}"
    )


def examine_clock(difference_ms: int | None) -> Finding:
    """Examines the difference of the server's clock from that of this machine."""
    if difference_ms is None:
        return Finding("ok", "clock", "the server does not report its clock")
    direction = "behind" if difference_ms < 0 else "ahead of"
    text = f"the server is {abs(difference_ms)} ms {direction} this machine"
    if abs(difference_ms) > MAX_CLOCK_DIFFERENCE_MS:
        return Finding("warning", "clock", f"{text}; limits use the server's clock: correct the wrong one (NTP)")
    return Finding("ok", "clock", text)


def examine_eviction(info: Info) -> Finding:
    policy, limit = info.get("maxmemory_policy"), info.get("maxmemory", 0)
    if policy == "noeviction":
        return Finding("ok", "eviction", "maxmemory-policy is noeviction")
    if not limit and not str(policy).startswith("allkeys"):
        return Finding("ok", "eviction", f"maxmemory-policy is {policy}, but maxmemory is not set")
    when = "" if limit else " as soon as maxmemory is set"
    text = f"maxmemory-policy {policy} evicts keys{when}, which lose their units and overrides"
    return Finding("warning", "eviction", f"{text}; CONFIG SET maxmemory-policy noeviction")


def examine_persistence(info: Info, save: str | None) -> Finding:
    """Examines whether the dataset is saved. `save` is the setting of snapshots; `None` if it cannot be read."""
    if "err" in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")):
        return Finding("error", "persistence", "the last save failed, so the server may reject checks; see its log")
    if info.get("aof_enabled"):
        return Finding("ok", "persistence", "the append-only file is on")
    if save == "":
        text = "a restart loses all units, policies and overrides; CONFIG SET appendonly yes"
        return Finding("warning", "persistence", text)
    snapshots = "snapshots are on" if save else "the user may not read whether snapshots are on"
    return Finding("ok", "persistence", f"{snapshots}; without the append-only file, a crash loses what came after")
