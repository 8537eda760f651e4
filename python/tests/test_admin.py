"""The operations of operators on one server, with both limiters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import NoPermissionError, ResponseError

from ratelog import Limits, NeedsModuleError, NoPolicyError, Override, UnavailableError
from ratelog.admin import ListedOverride, Policy, TopKey
from support.admin_driver import AdminDriver
from support.server import free_port

if TYPE_CHECKING:
    from support.driver import Driver, Flavour
    from support.server import Server
    from support.types import Open, Start


@pytest.fixture(params=["RESP2", "RESP3", "RESP2 decoded", "RESP3 decoded"])
def limiter(request: pytest.FixtureRequest, flavour: Flavour, server: Server, open_limiter: Open) -> Driver:
    """A limiter with a client of each protocol, which decodes replies or does not."""
    protocol, _, decoded = request.param.partition(" ")
    module: Any = redis.asyncio if flavour == "async" else redis
    client = module.Redis(port=server.port, protocol=int(protocol[-1]), decode_responses=bool(decoded))
    return open_limiter(client=client)


async def test_policies_are_set_listed_and_deleted(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    assert await admin.policy("login") is None
    await admin.set_policy("login", "5/minute; 100/hour")
    await admin.set_policy("api/search", Limits("9/second"), shadow=True)
    assert await admin.policies() == ["api/search", "login"]
    assert await admin.policy("login") == Policy("login", Limits("5/minute; 100/hour"))
    assert await admin.policy("api/search") == Policy("api/search", Limits("9/second"), shadow=True)
    assert await admin.delete_policy("login") is True
    assert await admin.delete_policy("login") is False


async def test_exported_policies_can_be_imported(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    await admin.set_policy("login", "5/minute")
    document = await admin.export_policies()
    assert json.loads(document) == {"policies": [{"name": "login", "rules": [{"limit": 5, "window": "1m"}]}]}
    await admin.import_policies({"policies": []})
    assert await admin.policies() == []
    await admin.import_policies(document)
    assert await admin.export_policies() == document
    with pytest.raises(ResponseError, match=r"policies\[0\].rule: unknown field"):
        await admin.import_policies({"policies": [{"name": "login", "rule": []}]})


async def test_checks_are_counted_by_policy_and_by_key(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    await admin.set_policy("login", "1/minute; 9/hour")
    await admin.stats(reset=True)
    for _ in range(3):
        await limiter.check("a", Limits.of_policy("login"))
    await limiter.check("b", "9/minute")
    stats = await admin.stats()
    assert (stats.checks, stats.allowed, stats.denied, stats.shadow_denied, stats.near) == (4, 2, 2, 0, 1)
    assert (stats.policies["login"].checks, stats.policies["login"].denied_by_rule) == (3, (2, 0))
    # The server halves the estimates at the start of a minute.
    assert await admin.top("checked", 1) in ([TopKey(b"a", checks)] for checks in (1, 2, 3))
    assert await admin.top("denied") in ([TopKey(b"a", checks)] for checks in (1, 2))
    assert (await admin.stats(reset=True)).checks == 4
    assert (await admin.stats()).checks == 0


async def test_a_key_is_inspected(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    assert await admin.inspect("k") is None
    assert await admin.hits("k") == []
    await limiter.check("k", "9/minute", cost=2)
    await limiter.set_override("k", "deny")
    info = await admin.inspect("k")
    assert (info.units, info.retention_ms, info.override) == (2, 60_000, Override("deny"))
    (hit,) = await admin.hits("k")
    assert (hit.instant_ms, hit.units) == (info.newest_ms, 2)
    assert info.oldest_ms == info.newest_ms
    assert info.bytes > 0
    assert await admin.hits("k", count=1, before=hit.instant_ms) == []
    assert await admin.hits("k", after=hit.instant_ms) == []
    assert await admin.hits("k", before=hit.instant_ms + 1, after=hit.instant_ms - 1) == [hit]


async def test_a_key_with_only_an_override_has_no_instants(limiter: Driver) -> None:
    await limiter.set_override("k", "allow")
    info = await AdminDriver(limiter).inspect("k")
    assert (info.units, info.oldest_ms, info.newest_ms) == (0, None, None)


async def test_a_decision_is_explained(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    explanation = await admin.explain("k", "1/minute; 9/hour", cost=2)
    assert (explanation.decided_by, explanation.rule, explanation.override) == ("rules", 0, None)
    assert [rule.allowed for rule in explanation.rules] == [False, True]
    assert explanation.decision.retry_after_ms is None
    await limiter.set_override("k", "allow")
    explanation = await admin.explain("k", "1/minute; 9/hour", cost=2)
    assert explanation.decision.allowed
    assert (explanation.decided_by, explanation.rule, explanation.override) == ("override", None, Override("allow"))
    with pytest.raises(NoPolicyError, match="no policy named 'none'"):
        await admin.explain("k", Limits.of_policy("none"))


async def test_the_overrides_of_all_pages_are_listed(limiter: Driver) -> None:
    admin = AdminDriver(limiter)
    assert await admin.overrides() == []
    for number in range(7):
        await limiter.set_override(f"k{number}", "limit", "5/minute")
    await limiter.set_override("other", "deny")
    listed = await admin.overrides(match="k*", count=2)
    assert listed == [ListedOverride("limit", Limits("5/minute"), None, b"k%d" % number) for number in range(7)]
    assert [override.key for override in await admin.overrides(match="o*")] == [b"other"]


async def test_a_changed_policy_ends_cached_denials(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=10)
    admin = AdminDriver(limiter)
    await admin.set_policy("login", "1/minute")
    login = Limits.of_policy("login")
    assert [(await limiter.check("k", login)).allowed for _ in range(2)] == [True, False]
    await admin.set_policy("login", "5/minute")
    assert (await limiter.check("k", login)).allowed


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("set_policy", ("log*in", "5/minute"), "log*in"),
        ("set_policy", ("login", "5"), "5"),
        ("set_policy", ("login", Limits.of_policy("other")), "a policy takes rules, not another policy"),
        ("top", ("allowed",), "the heaviest keys are 'denied' or 'checked', not 'allowed'"),
        ("explain", ("k", "5/minute", 0), "a cost must be an integer from 1 to 1,000,000, not 0"),
    ],
)
async def test_an_invalid_argument_is_rejected(
    open_limiter: Open, method: str, arguments: tuple[object, ...], text: str
) -> None:
    with pytest.raises(ValueError) as raised:
        await getattr(AdminDriver(open_limiter("memory://")), method)(*arguments)
    assert text in str(raised.value)


async def test_only_nodes_of_a_cluster_report_versions_of_policies(server: Server, open_limiter: Open) -> None:
    with pytest.raises(ResponseError, match="not in a cluster"):
        await AdminDriver(open_limiter(server.url)).policy_versions()


METHODS: list[tuple[str, tuple[object, ...]]] = [
    ("set_policy", ("login", "5/minute")), ("policy", ("login",)), ("policies", ()), ("delete_policy", ("login",)),
    ("export_policies", ()), ("import_policies", ('{"policies":[]}',)), ("policy_versions", ()), ("top", ("denied",)),
    ("stats", ()), ("inspect", ("k",)), ("hits", ("k",)), ("explain", ("k", "5/minute")), ("overrides", ()),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments"), METHODS)
async def test_a_server_without_the_module_has_no_operations(
    plain_server: Server, open_limiter: Open, method: str, arguments: tuple[object, ...]
) -> None:
    for limiter in (open_limiter(plain_server.url), open_limiter("memory://")):
        with pytest.raises(NeedsModuleError, match="needs the Ratelog module"):
            await getattr(AdminDriver(limiter), method)(*arguments)


@pytest.mark.parametrize(("method", "arguments"), METHODS)
async def test_an_unavailable_server_raises(open_limiter: Open, method: str, arguments: tuple[object, ...]) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="the server is unavailable: "):
        await getattr(AdminDriver(limiter), method)(*arguments)


async def test_a_missing_right_is_an_error_of_the_command(start: Start, open_limiter: Open) -> None:
    server = start("user default on nopass ~* +@all -rl.stats")
    limiter = open_limiter(server.url)
    with pytest.raises(NoPermissionError, match=r"rl\.stats"):
        await AdminDriver(limiter).stats()
    assert limiter.health().state == "closed"


async def test_the_operations_are_created_once(open_limiter: Open) -> None:
    limiter = open_limiter("memory://").limiter
    assert limiter.admin is limiter.admin
