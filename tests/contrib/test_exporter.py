"""redis_exporter with the script returns the counts of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from support.wait import until_sync

from .programs import CONTRIB, Exporter, exporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from support.server import Server

    Start = Callable[..., Server]

_SCRIPT = CONTRIB / "redis_exporter/ratelog.lua"
_USER = next(line for line in (CONTRIB / "README.md").read_text().splitlines() if line.startswith("user exporter "))
_LOGIN = ("-redis.user", "exporter", "-redis.password", "a-long-password")


def traffic(db: Any) -> None:
    """Checks with a policy, with a policy in shadow mode, without a policy, and under an override."""
    db.execute_command("RL.POLICY", "SET", "api/search:v2", 4, "1h", 100, "1d")
    db.execute_command("RL.POLICY", "SET", "trial", "SHADOW", 1, "1h")
    db.execute_command("RL.POLICY", "SET", "unused", 5, "1m")
    for _ in range(6):
        db.execute_command("RL.CHECK", "user:1", "POLICY", "api/search:v2")
    for _ in range(3):
        db.execute_command("RL.CHECK", "user:2", "POLICY", "trial")
    for _ in range(3):
        db.execute_command("RL.CHECK", "user:3", 2, "1h")
    db.execute_command("RL.OVERRIDE", "SET", "user:4", "DENY")
    db.execute_command("RL.CHECK", "user:4", "POLICY", "api/search:v2")


def scrape_once(server: Server, tmp_path: Path, *options: str) -> Any:
    with exporter(server.url, *options, log=tmp_path / "exporter.log") as running:
        return running.scrape()


def test_the_script_returns_the_counts(start: Start, tmp_path: Path) -> None:
    server = start()
    traffic(server.db())
    scrape = scrape_once(server, tmp_path, "-script", str(_SCRIPT))
    assert scrape.value("redis_up") == 1
    values = scrape.script
    assert values.pop("ratelog_monitor_bytes") > 0
    assert values.pop("ratelog_policies_digest") == int(server.db().info("rl")["rl_policies_digest"][:13], 16)
    assert values == {
        "ratelog_checks": 13,
        "ratelog_allowed": 9,
        "ratelog_denied": 4,
        "ratelog_shadow_denied": 2,
        "ratelog_overridden": 1,
        "ratelog_near": 5,
        "ratelog_policies": 3,
        "ratelog_overrides": 1,
        "ratelog_policy_checks:api/search:v2": 7,
        "ratelog_policy_allowed:api/search:v2": 4,
        "ratelog_policy_denied:api/search:v2": 3,
        "ratelog_policy_shadow_denied:api/search:v2": 0,
        "ratelog_policy_overridden:api/search:v2": 1,
        "ratelog_policy_near:api/search:v2": 1,
        "ratelog_policy_denied_by_rule:1:api/search:v2": 2,
        "ratelog_policy_denied_by_rule:2:api/search:v2": 0,
        "ratelog_policy_checks:trial": 3,
        "ratelog_policy_allowed:trial": 3,
        "ratelog_policy_denied:trial": 0,
        "ratelog_policy_shadow_denied:trial": 2,
        "ratelog_policy_overridden:trial": 0,
        "ratelog_policy_near:trial": 3,
        "ratelog_policy_denied_by_rule:1:trial": 2,
        "ratelog_policy_checks:unused": 0,
        "ratelog_policy_allowed:unused": 0,
        "ratelog_policy_denied:unused": 0,
        "ratelog_policy_shadow_denied:unused": 0,
        "ratelog_policy_overridden:unused": 0,
        "ratelog_policy_near:unused": 0,
        "ratelog_policy_denied_by_rule:1:unused": 0,
    }


def test_each_scrape_returns_new_counts_and_changes_none(start: Start, tmp_path: Path) -> None:
    server = start()
    db = server.db()

    def checks(running: Exporter) -> float:
        return running.scrape().script["ratelog_checks"]

    with exporter(server.url, "-script", str(_SCRIPT), log=tmp_path / "exporter.log") as running:
        assert checks(running) == 0
        db.execute_command("RL.CHECK", "user:1", 2, "1h")
        assert checks(running) == 1
        assert checks(running) == 1
        db.execute_command("RL.CHECK", "user:1", 2, "1h")
        assert checks(running) == 2


def test_without_the_script_the_exporter_drops_the_module_and_has_the_server(start: Start, tmp_path: Path) -> None:
    server = start()
    db = server.db()
    traffic(db)
    db.execute_command("RL.CHECK", "user:1", 1, "1h")
    with pytest.raises(redis.ResponseError, match="missing"):
        db.execute_command("RL.CHECK", "user:1", "POLICY", "missing")
    scrape = scrape_once(server, tmp_path)
    assert scrape.value("redis_up") == 1
    assert "redis_rl_" not in scrape.text
    assert "ratelog" not in scrape.text
    assert scrape.script == {}
    # These are the server's own fields, which docs/operations.md names.
    assert scrape.values("redis_errors_total", "err")["NOPOLICY"] == 1
    assert scrape.value("redis_evicted_keys_total") == 0
    assert scrape.value("redis_memory_used_bytes") > 0


def test_without_the_module_the_script_returns_nothing_and_leaves_no_trace(start: Start, tmp_path: Path) -> None:
    server = start(module=False)
    db = server.db()
    before = db.info("errorstats")
    scrape = scrape_once(server, tmp_path, "-script", str(_SCRIPT))
    assert scrape.value("redis_up") == 1
    assert scrape.script == {}
    assert "LuaScript" not in (tmp_path / "exporter.log").read_text()
    assert db.info("errorstats") == before
    assert db.acl_log() == []


def test_the_user_of_the_readme_has_all_rights_that_the_exporter_needs(start: Start, tmp_path: Path) -> None:
    server = start(_USER)
    traffic(server.db())
    scrape = scrape_once(server, tmp_path, "-script", str(_SCRIPT), *_LOGIN)
    assert scrape.value("redis_up") == 1
    assert scrape.script["ratelog_checks"] == 13
    assert scrape.script["ratelog_overrides"] == 1
    assert server.db().acl_log() == []


def test_a_user_without_the_right_to_read_the_counts_gets_none(start: Start, tmp_path: Path) -> None:
    server = start(_USER.replace(" +rl.stats", ""))
    scrape = scrape_once(server, tmp_path, "-script", str(_SCRIPT), *_LOGIN)
    assert scrape.value("redis_up") == 1
    assert scrape.script == {}
    assert server.db().acl_log() == []


def test_a_replica_and_a_full_server_return_counts_too(start: Start, tmp_path: Path) -> None:
    primary = start()
    traffic(primary.db())
    replica = start(f"replicaof 127.0.0.1 {primary.port}", "maxmemory 1")
    db = replica.db()
    until_sync("the replica is in sync", lambda: db.info("replication")["master_link_status"] == "up")
    scrape = scrape_once(replica, tmp_path, "-script", str(_SCRIPT))
    assert scrape.script["ratelog_checks"] == 0
    assert scrape.script["ratelog_overrides"] == 1
    primary.db().config_set("maxmemory", 1)
    full = scrape_once(primary, tmp_path, "-script", str(_SCRIPT))
    assert full.script["ratelog_checks"] == 13
    assert scrape.script["ratelog_policies_digest"] == full.script["ratelog_policies_digest"]


def test_scripts_that_may_only_read_return_the_same(start: Start) -> None:
    """redis_exporter from 1.83 on has an option to call EVAL_RO."""
    db = start().db()
    traffic(db)
    reply = db.execute_command("EVAL_RO", _SCRIPT.read_text(), 0)
    assert reply == db.execute_command("EVAL", _SCRIPT.read_text(), 0)
    assert all(isinstance(element, bytes) for element in reply)


def test_info_all_has_no_module_and_a_script_returns_one_count(start: Start) -> None:
    """docs/operations.md says so of telegraf, which sends INFO ALL."""
    db = start().db()
    traffic(db)
    assert not any(name.startswith("rl_") for name in db.info("all"))
    assert db.info("everything")["rl_checks"] == 13
    assert db.execute_command("EVAL", "return redis.call('RL.STATS')[2]", 0) == 13
