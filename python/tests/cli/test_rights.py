"""The rights of the users of `redis.conf.example`, and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ratelog.cli.finding import Finding
from ratelog.cli.rights import _RIGHTS_OF_SCRIPT, check_rights
from ratelog.settings import load
from support.cluster import Cluster
from support.roles import USERS, password_of
from support.server import ROOT

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Start

SCRIPT_USER = (
    "user script on nopass ~ratelog:* +ping +evalsha +script|load +time +zadd +zcard +zcount +zrange +zrem"
    " +zremrangebyrank +zremrangebyscore +zrevrangebyscore +pexpire +unlink"
)


def client_of(server: Server, user: str, password: str = "") -> Any:
    return server.db(username=user, password=password)


@pytest.mark.parametrize("user", ["application", "operator"])
def test_the_users_of_the_example_have_the_rights(start: Start, user: str) -> None:
    server = start(USERS[user])
    finding = check_rights(client_of(server, user, password_of(user)), load(), module=True)
    assert finding == Finding("ok", "rights", "the user may run the commands of a limiter on the keys ratelog:*")
    assert server.db().keys("*") == []


def test_missing_commands_are_named(start: Start) -> None:
    server = start(USERS["dashboard"])
    finding = check_rights(client_of(server, "dashboard", password_of("dashboard")), load(), module=True)
    assert finding == Finding(
        "error",
        "rights",
        "the user may not run rl.check, rl.mcheck, rl.refund, rl.reset on the keys ratelog:*; "
        "ACL SETUSER <user> +rl.check +rl.mcheck +rl.refund +rl.reset",
    )


def test_another_prefix_has_no_rights(start: Start) -> None:
    server = start(USERS["application"])
    client = client_of(server, "application", password_of("application"))
    finding = check_rights(client, load(prefix="shop"), module=True)
    assert finding.status == "error"
    assert finding.text.endswith("; ACL SETUSER <user> ~shop:*, or change the setting prefix")


def test_the_rights_of_the_script_are_checked(start: Start) -> None:
    server = start(SCRIPT_USER, module=False)
    client = client_of(server, "script")
    assert check_rights(client, load(), module=False).status == "ok"
    assert server.db().keys("*") == []
    server.db().execute_command("ACL", "SETUSER", "script", "-zadd")
    finding = check_rights(client, load(), module=False)
    assert finding.status == "error"
    assert finding.text == (
        "the user may not run evalsha on the keys ratelog:*; ACL SETUSER <user> +evalsha +script|load +time +zadd"
        " +zcard +zcount +zrange +zrem +zremrangebyrank +zremrangebyscore +zrevrangebyscore +pexpire +unlink"
    )
    server.db().execute_command("ACL", "SETUSER", "script", "+zadd", "-script")
    finding = check_rights(client, load(), module=False)
    assert finding.text == "the user may not run script|load on the keys ratelog:*; ACL SETUSER <user> +script|load"
    server.db().execute_command("ACL", "SETUSER", "script", "+script", "-evalsha")
    finding = check_rights(client, load(), module=False)
    assert finding.text == "the user may not run evalsha on the keys ratelog:*; ACL SETUSER <user> +evalsha"


def test_the_rights_that_docs_name_for_the_script_are_those_of_the_way_out() -> None:
    page = (ROOT / "docs/without-the-module.md").read_text()
    assert f"\n{_RIGHTS_OF_SCRIPT}\n" in page


def test_without_a_prefix_the_rights_are_for_all_keys(start: Start) -> None:
    server = start(USERS["application"])
    client = client_of(server, "application", password_of("application"))
    finding = check_rights(client, load(prefix=""), module=True)
    assert finding.text.endswith(" on the keys *; ACL SETUSER <user> ~*, or change the setting prefix")


def test_the_rights_do_not_depend_on_the_slot(start: Start) -> None:
    for node in Cluster(start, primaries=2).nodes:
        assert check_rights(node.db(), load(), module=True).status == "ok"
