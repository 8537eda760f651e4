"""The examinations of one server, with given replies."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError

from ratelog.cli import examinations as examine
from ratelog.settings import load

LOADED = {"modules": [{"name": "lua", "ver": 9}, {"name": "rl", "ver": 2}]}


class Policies:
    """A client of a server with one policy."""

    def execute_command(self, *words: str) -> Any:
        assert words[:2] == ("RL.POLICY", "GET")
        return ["mode"] if words[2] == "login" else None


class NoPolicies:
    def execute_command(self, *words: str) -> Any:
        raise ResponseError("NOPERM no")


def test_the_version_of_the_module_is_found() -> None:
    assert examine.module_version(LOADED) == 2
    assert examine.module_version({"modules": []}) is None
    assert examine.module_version({}) is None


@pytest.mark.parametrize(
    ("info", "status", "text"),
    [
        ({"valkey_version": "9.1.2", "redis_version": "7.2.4", "role": "master"}, "ok", "Valkey 9.1.2, a primary"),
        ({"redis_version": "8.0.0", "role": "master"}, "ok", "Redis 8.0.0, a primary"),
        ({"redis_version": "8.0.0", "role": "slave"}, "error", "a replica; use the primary's address"),
        ({"redis_version": "8.0.0", "role": "master", "loading": 1}, "error", "is loading its dataset"),
    ],
)
def test_the_server_has_to_be_a_primary(info: dict[str, Any], status: str, text: str) -> None:
    finding = examine.examine_server(info)
    assert finding.status == status
    assert text in finding.text


@pytest.mark.parametrize(
    ("info", "backend", "status", "text"),
    [
        (LOADED, "auto", "ok", "loaded, version 2"),
        (LOADED, "script", "warning", "so it is not used"),
        ({}, "auto", "warning", "the script is used"),
        ({}, "module", "error", "load it (loadmodule), or set backend to 'auto'"),
        ({}, "script", "ok", "the setting backend is 'script'"),
    ],
)
def test_the_module_is_loaded_if_the_settings_need_it(
    info: dict[str, Any], backend: str, status: str, text: str
) -> None:
    finding = examine.examine_module(info, load(backend=backend))
    assert finding.status == status
    assert text in finding.text


def test_the_policies_of_the_settings_exist() -> None:
    endpoints = [{"path": "/a", "policy": "search"}, {"path": "/b", "limits": "1/minute"}]
    settings = load(default_policy="login", endpoints=endpoints)
    assert examine.policy_names(settings) == ["login", "search"]
    finding = examine.examine_policies(Policies(), settings, module=True)
    assert (finding.status, finding.text) == (
        "error",
        "search: no such policy; python -m ratelog policies set search LIMITS",
    )
    assert examine.examine_policies(Policies(), load(default_policy="login"), module=True).status == "ok"
    assert examine.examine_policies(Policies(), load(), module=True).text == "the settings name none"
    assert examine.examine_policies(NoPolicies(), settings, module=True).text == "not examined: NOPERM no"


def test_policies_come_from_the_settings_without_the_module() -> None:
    settings = load(default_policy="login", policies={"login": "1/minute"})
    assert examine.examine_policies(None, settings, module=False).status == "ok"
    finding = examine.examine_policies(None, load(default_policy="login"), module=False)
    assert finding.status == "error"
    assert "add their rules to the setting policies" in finding.text


@pytest.mark.parametrize(
    ("difference", "status", "text"),
    [
        (0, "ok", "0 ms ahead of"),
        (1000, "ok", "1000 ms ahead of"),
        (-1001, "warning", "1001 ms behind this machine"),
        (None, "ok", "does not report"),
    ],
)
def test_a_wrong_clock_is_a_warning(difference: int | None, status: str, text: str) -> None:
    finding = examine.examine_clock(difference)
    assert finding.status == status
    assert text in finding.text


@pytest.mark.parametrize(
    ("policy", "maxmemory", "status"),
    [
        ("noeviction", 1, "ok"), ("allkeys-lru", 1, "warning"), ("allkeys-lru", 0, "warning"),
        ("volatile-ttl", 1, "warning"), ("volatile-ttl", 0, "ok"),
    ],
)  # fmt: skip
def test_eviction_is_a_warning(policy: str, maxmemory: int, status: str) -> None:
    finding = examine.examine_eviction({"maxmemory_policy": policy, "maxmemory": maxmemory})
    assert finding.status == status
    assert policy in finding.text


@pytest.mark.parametrize(
    ("info", "save", "status", "text"),
    [
        ({"aof_enabled": 1}, "", "ok", "the append-only file is on"),
        ({"aof_enabled": 0}, "", "warning", "CONFIG SET appendonly yes"),
        ({"aof_enabled": 0}, "3600 1", "ok", "snapshots are on"),
        ({"aof_enabled": 0}, None, "ok", "may not read whether snapshots are on"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, "", "error", "the last save failed"),
        ({"aof_enabled": 0, "rdb_last_bgsave_status": "err"}, "3600 1", "error", "the last save failed"),
    ],
)
def test_a_dataset_that_is_not_saved_is_a_warning(
    info: dict[str, Any], save: str | None, status: str, text: str
) -> None:
    finding = examine.examine_persistence(info, save)
    assert finding.status == status
    assert text in finding.text
