"""The doctor, on real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ratelog.cli.doctor import _examine_cluster, diagnose
from ratelog.connection.target import Target
from support.broken_servers import SilentServer
from support.cluster import PARTIAL, Cluster
from support.command_line import CommandLine
from support.roles import USERS, password_of
from support.sentinel import Sentinels
from support.server import free_port
from support.wait import until_sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import Server
    from support.types import Start

    Doctor = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The status and the text of each subject."""

    def examine(url: str, *argv: str, status: int = 0) -> dict[str, tuple[str, str]]:
        findings: list[dict[str, Any]] = CommandLine(capsys, url).json("doctor", *argv, status=status)
        subjects = [finding["subject"] for finding in findings]
        assert len(set(subjects)) == len(subjects), findings
        return {finding["subject"]: (finding["status"], finding["text"]) for finding in findings}

    return examine


def test_a_good_server_has_no_errors(start: Start, doctor: Doctor) -> None:
    server = start("appendonly yes")
    findings = doctor(server.url)
    subjects = [
        "configuration",
        "server",
        "module",
        "rights",
        "policies",
        "clock",
        "eviction",
        "persistence",
        "cluster",
    ]
    assert list(findings) == subjects
    assert {status for status, _ in findings.values()} == {"ok"}, findings
    assert server.db().dbsize() == 0


def test_findings_are_shown_as_a_table(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    output = CommandLine(capsys, server.url).text("doctor")
    assert len(output.splitlines()) == 10
    assert "\nok       module         loaded, version " in output
    assert "\nwarning  persistence    a restart loses all units" in output


def test_the_user_of_an_application_has_no_errors(start: Start, doctor: Doctor) -> None:
    server = start(USERS["application"])
    url = server.url.replace("//", f"//application:{password_of('application')}@")
    findings = doctor(url)
    assert findings["rights"][0] == "ok"
    assert findings["persistence"] == (
        "ok",
        "the user may not read whether snapshots are on; without the append-only file, a crash loses what came after",
    )


def test_the_settings_are_examined_on_the_server(server: Server, doctor: Doctor, tmp_path: Path) -> None:
    config = tmp_path / "ratelog.toml"
    config.write_text('default_policy = "login"\nprefix = "shop"\n')
    findings = doctor(server.url, "--config", str(config), status=1)
    assert findings["policies"][0] == "error"
    assert "prefix 'shop'" in findings["configuration"][1]
    server.db().execute_command("RL.POLICY", "SET", "login", "1", "1m")
    assert doctor(server.url, "--config", str(config))["policies"][0] == "ok"


def test_an_evicting_server_is_a_warning(start: Start, doctor: Doctor) -> None:
    findings = doctor(start("maxmemory 1gb", "maxmemory-policy allkeys-lru").url)
    assert findings["eviction"][0] == "warning"


def test_a_server_without_the_module_is_a_warning(plain_server: Server, doctor: Doctor) -> None:
    findings = doctor(plain_server.url)
    assert findings["module"][0] == "warning"
    assert findings["rights"][0] == "ok"


def test_a_replica_is_an_error(start: Start, server: Server, doctor: Doctor) -> None:
    replica = start(f"replicaof 127.0.0.1 {server.port}")
    until_sync("the replica is in sync", lambda: replica.db().info("replication")["master_link_status"] == "up")
    assert doctor(replica.url, status=1)["server"][0] == "error"


def test_the_primary_of_sentinels_is_examined(start: Start, doctor: Doctor) -> None:
    primary, replica = start(), start()
    replica.db().replicaof("127.0.0.1", primary.port)
    findings = doctor(Sentinels(start, primary).url)
    assert findings["server"][0] == findings["rights"][0] == "ok"
    status, text = doctor(f"redis+sentinel://127.0.0.1:{free_port()}/ratelog", status=1)["server"]
    assert (status, text.partition(":")[0]) == ("error", "unavailable")


@pytest.mark.parametrize(
    ("credentials", "line"),
    [("user:wrong@", "user user on >right ~* +@all"), ("", "requirepass right")],
)
def test_wrong_credentials_are_an_error(start: Start, doctor: Doctor, credentials: str, line: str) -> None:
    findings = doctor(start(line).url.replace("//", f"//{credentials}"), status=1)
    status, text = findings["server"]
    assert status == "error"
    assert text.startswith("rejects the credentials: ")
    assert "wrong" not in text


def test_a_user_without_info_is_an_error(start: Start, doctor: Doctor) -> None:
    findings = doctor(start("user default on nopass ~* +@all -info").url, status=1)
    assert findings["server"][1].startswith("accepts the credentials, but: ")
    assert findings["server"][1].endswith("; ACL SETUSER <user> +ping +info")


def test_an_absent_server_is_an_error(doctor: Doctor) -> None:
    status, text = doctor(f"redis://127.0.0.1:{free_port()}", status=1)["server"]
    assert status == "error"
    assert text.startswith("unavailable: ")
    assert doctor(f"redis+cluster://127.0.0.1:{free_port()}", status=1)["server"][0] == "error"


def test_a_silent_server_is_an_error() -> None:
    with SilentServer() as server:
        output = diagnose(None, server.url, 0.05)
    assert output.status == 1
    assert "no reply within 0.05 s" in output.text


def test_an_invalid_configuration_is_an_error(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATELOG_TIMEOUT", "none")
    findings = doctor("redis://127.0.0.1", status=1)
    assert list(findings) == ["configuration"]
    assert findings["configuration"][1].startswith("environment variable RATELOG_TIMEOUT: ")


def test_a_limiter_without_a_server_needs_its_own_policies(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor("memory://")["server"][0] == "ok"
    monkeypatch.setenv("RATELOG_DEFAULT_POLICY", "login")
    assert doctor("memory://", status=1)["policies"][0] == "error"


def test_a_cluster_has_the_same_policies_on_all_primaries(start: Start, doctor: Doctor) -> None:
    cluster = Cluster(start)
    findings = doctor(cluster.url)
    assert findings["cluster"] == ("ok", "3 primaries, state ok, the same policies on all")
    assert findings["module"][0] == findings["rights"][0] == "ok"
    single = doctor(cluster.nodes[0].url, status=1)
    assert single["cluster"] == ("error", "the server is in a cluster; begin the URL with redis+cluster://")


def test_differences_between_primaries_are_shown(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(start)
    odd = cluster.nodes[1]
    odd.db().execute_command("ACL", "SETUSER", "default", "-rl.reset")
    findings = CommandLine(capsys, cluster.url).json("doctor", status=1)
    rights = [finding for finding in findings if finding["subject"] == "rights"]
    statuses = {finding["text"].partition(": ")[0]: finding["status"] for finding in rights}
    assert statuses == {f"127.0.0.1:{node.port}": "error" if node is odd else "ok" for node in cluster.nodes}


def test_a_lost_shard_is_shown_beside_the_others(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    lost, *others = cluster.nodes
    lost.kill()
    command = CommandLine(capsys, "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in others))
    servers = [finding for finding in command.json("doctor", status=1) if finding["subject"] == "server"]
    assert (servers[0]["status"], servers[0]["text"].partition(": ")[0]) == ("error", f"127.0.0.1:{lost.port}")
    assert "start the server" in servers[0]["text"]
    assert [finding["status"] for finding in servers[1:]] == ["ok"]


@pytest.mark.parametrize(
    ("state", "digests", "status", "text"),
    [
        ("ok", ("ab", "cd"), "warning", "policies differ (digest ab); RL.POLICY SYNC shows which nodes"),
        ("fail", ("ab", "ab"), "error", "the state is 'fail'"),
        ("ok", ("ab", "ab"), "ok", "2 primaries"),
    ],
)
def test_a_cluster_that_does_not_agree_is_shown(state: str, digests: tuple[str, str], status: str, text: str) -> None:
    class Node:
        def execute_command(self, command: str) -> dict[str, str]:
            assert command == "CLUSTER INFO"
            return {"cluster_state": state}

    nodes = {"a:1": Node(), "b:1": Node()}
    infos = {
        name: {"cluster_enabled": 1, "rl_policies_digest": digest} for name, digest in zip(nodes, digests, strict=True)
    }
    finding = _examine_cluster(nodes, infos, Target.parse("redis+cluster://a:1"), "a:1")
    assert finding.status == status
    assert text in finding.text


def test_a_user_without_cluster_info_is_a_warning(start: Start, doctor: Doctor) -> None:
    cluster = Cluster(start, primaries=1)
    cluster.nodes[0].db().execute_command("ACL", "SETUSER", "default", "-cluster|info")
    status, text = doctor(cluster.url)["cluster"]
    assert status == "warning"
    assert text.startswith("not examined: ")


def test_a_server_outside_of_a_cluster_is_an_error(server: Server, doctor: Doctor) -> None:
    status, text = doctor(f"redis+cluster://127.0.0.1:{server.port}", status=1)["server"]
    assert status == "error"
    assert "cluster" in text.lower()
