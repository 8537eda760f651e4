"""Examines a configuration, its servers and the user's rights."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..connection.client import clients_of
from ..connection.cluster_nodes import ClusterNodes
from ..connection.sync_executor import SyncExecutor
from ..connection.target import Target
from ..engine.classify import TRANSPORT_ERRORS
from ..engine.topology import Topology
from ..errors import ConfigError
from ..prefix import Prefix
from ..settings import load
from . import examinations as examine
from .finding import Finding, merge
from .output import Output, one_line, table
from .rights import check_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import Settings
    from .examinations import Info

SECTIONS = ("server", "memory", "persistence", "replication", "cluster", "modules", "rl")


def diagnose(config: str | None, url: str | None, timeout: float) -> Output:
    """Returns one line for each subject. The status is 1 if there is an error. `timeout` is seconds for each reply."""
    findings = _examine_configuration(config, url, timeout)
    has_error = any(finding.status == "error" for finding in findings)
    text = table(
        [(finding.status, finding.subject, finding.text) for finding in findings], "STATUS", "SUBJECT", "FINDING"
    )
    return Output(findings, text, 1 if has_error else 0)


def _examine_configuration(config: str | None, url: str | None, timeout: float) -> list[Finding]:
    try:
        settings = load(config, **({} if url is None else {"url": url}))
        target = Target.parse(settings.url)
    except ConfigError as error:
        return [Finding("error", "configuration", one_line(error))]
    prefix = Prefix(settings.prefix).value
    text = f"valid; prefix {prefix!r}, backend {settings.backend!r}, fallback {settings.fallback!r}"
    configuration = Finding("ok", "configuration", text)
    if target.kind == "memory":
        server = Finding("ok", "server", "memory:// has no server: each process decides by itself")
        return [configuration, server, examine.examine_policies(None, settings, module=False)]
    settings = settings.model_copy(
        update={"timeout": timeout, "connect_timeout": max(settings.connect_timeout, timeout)}
    )
    clients: dict[str, Any] = {}
    try:
        if target.kind == "cluster":
            nodes = ClusterNodes.of_target(target)
            clients.update(
                {address: nodes.client("redis", address, settings) for address in _primaries(nodes, settings)}
            )
        else:
            clients["server"] = target.client("redis", settings)
            clients["server"].ping()
        return [configuration, *_examine_servers(clients, target, settings)]
    except TRANSPORT_ERRORS as error:
        return [configuration, Finding("error", "server", _way_out(error, timeout))]
    finally:
        for client in clients.values():
            for each in clients_of(client):
                each.close()


def _primaries(nodes: ClusterNodes, settings: Settings) -> list[str]:
    """The addresses of a cluster's primaries, from the first node of the URL that knows them.

    Raises:
        RedisError: no node knows them.
    """
    error: Exception | None = None
    for seed in nodes.seeds:
        create = partial(nodes.client, "redis", seed, settings)
        executor = SyncExecutor(create, owns_client=True, timeout=settings.timeout, max_connections=1)
        try:
            (reply,) = executor.execute([("CLUSTER", "SLOTS")])
            if isinstance(reply, Exception):
                raise reply
            return sorted({address for _, _, address in Topology.from_reply(reply, seed).ranges})
        except TRANSPORT_ERRORS as failure:
            error = failure
        finally:
            executor.close()
    raise error or RedisError("the URL names no node")


def _examine_servers(nodes: Mapping[str, Any], target: Target, settings: Settings) -> list[Finding]:
    infos: dict[str, Info] = {}
    lost: list[Finding] = []
    differences: list[int] = []
    for name, client in nodes.items():
        started = time.time()
        try:
            infos[name] = client.info(*SECTIONS)
        except TRANSPORT_ERRORS as error:
            if len(nodes) == 1:
                raise
            lost.append(Finding("error", "server", f"{name}: {_way_out(error, settings.timeout)}"))
            continue
        if (server_time := infos[name].get("server_time_usec")) is not None:
            differences.append(round(server_time / 1000 - (started + time.time()) * 500))
    modules = {
        name: settings.backend != "script" and examine.module_version(info) is not None for name, info in infos.items()
    }

    def each(examination: Callable[[str], Finding]) -> list[Finding]:
        return merge({name: examination(name) for name in infos})

    if not infos:
        return lost
    return [
        *lost,
        *each(lambda name: examine.examine_server(infos[name])),
        *each(lambda name: examine.examine_module(infos[name], settings)),
        *each(lambda name: check_rights(nodes[name], settings, module=modules[name])),
        *each(lambda name: examine.examine_policies(nodes[name], settings, module=modules[name])),
        examine.examine_clock(max(differences, key=abs, default=None)),
        *each(lambda name: examine.examine_eviction(infos[name])),
        *each(lambda name: examine.examine_persistence(infos[name], _save_of(nodes[name]))),
        *each(partial(_examine_cluster, nodes, infos, target)),
    ]


def _examine_cluster(nodes: Mapping[str, Any], infos: Mapping[str, Info], target: Target, name: str) -> Finding:
    if not infos[name].get("cluster_enabled"):
        return Finding("ok", "cluster", "the server is not in a cluster")
    if target.kind != "cluster":
        return Finding("error", "cluster", "the server is in a cluster; begin the URL with redis+cluster://")
    try:
        state = nodes[name].execute_command("CLUSTER INFO")["cluster_state"]
    except ResponseError as error:
        return Finding("warning", "cluster", f"not examined: {one_line(error)}")
    if state != "ok":
        return Finding("error", "cluster", f"the state is {state!r}; CLUSTER INFO and CLUSTER NODES show the cause")
    digests = {str(info.get("rl_policies_digest")) for info in infos.values()}
    if len(digests) > 1:
        text = f"policies differ (digest {infos[name].get('rl_policies_digest')}); RL.POLICY SYNC shows which nodes"
        return Finding("warning", "cluster", text)
    return Finding("ok", "cluster", f"{len(infos)} primaries, state ok, the same policies on all")


def _save_of(client: Any) -> str | None:
    try:
        return str(client.config_get("save").get("save", ""))
    except ResponseError:
        return None


def _way_out(error: Exception, timeout: float) -> str:
    text = one_line(error).removesuffix(".")
    if isinstance(error, AuthenticationError) or any(
        word in text for word in ("WRONGPASS", "NOAUTH", "username-password")
    ):
        return f"rejects the credentials: {text}; correct the user and the password in the setting url"
    if isinstance(error, NoPermissionError):
        return f"accepts the credentials, but: {text}; ACL SETUSER <user> +ping +info"
    if isinstance(error, RedisTimeoutError):
        return f"no reply within {timeout:g} s: {text}; correct the host in the setting url, or open the network"
    return f"unavailable: {text}; correct the setting url, or start the server"
