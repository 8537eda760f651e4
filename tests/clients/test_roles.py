"""The users of `redis.conf.example` have the rights that each client needs, on one server and in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

from support.roles import USERS

from .drivers import Batch, Command, Driver, Reply
from .test_routing import HOUR, explanation, keyed_calls, keys_of, to_each

if TYPE_CHECKING:
    from .conftest import Nodes

Calls = list[tuple[Command, Reply]]

POLICY = ["mode", "enforce", "rules", [[4, HOUR]]]
EXPORT = '{"policies":[{"name":"gold","rules":[{"limit":4,"window":"1h"}]}]}'


def calls_of_application(number: int) -> Calls:
    """Checks, a refund and resets."""
    calls = keyed_calls(number)
    # Those between are the operator's.
    return [*calls[:5], *calls[-2:]]


def calls_of_dashboard(number: int) -> Calls:
    """The reads of a key that does not exist."""
    key, _ = keys_of(number)
    full = [1, 5, 5, 0, 0, HOUR]
    calls: list[tuple[str, Reply]] = [
        (f"RL.PEEK {key} 5 1h", full),
        (f"RL.PEEK {key} POLICY gold", [1, 4, 4, 0, 0, HOUR]),
        (f"RL.EXPLAIN {key} 5 1h", explanation(full, full, "rules", 0, None)),
        (f"RL.INSPECT {key}", None),
        (f"RL.HITS {key}", []),
        (f"RL.OVERRIDE GET {key}", None),
    ]
    return [(Command(tuple(call.split()), key), reply) for call, reply in calls]


KEYED = {"application": calls_of_application, "operator": keyed_calls, "dashboard": calls_of_dashboard}

READS: list[tuple[str, Reply]] = [
    ("RL.POLICY GET gold", POLICY),
    ("RL.POLICY LIST", ["gold"]),
    ("RL.POLICY EXPORT", EXPORT),
    ("RL.OVERRIDE LIST", ["0", []]),
    ("RL.STATS", ANY),
    ("RL.TOP CHECKED", ANY),
    ("INFO rl", ANY),
]
WITHOUT_KEY: dict[str, list[tuple[str, Reply]]] = {
    "application": [("RL.POLICY GET gold", POLICY)],
    "operator": [
        *READS,
        ("RL.POLICY SET new 5 1h", "OK"),
        # A primary that has received the deletion from another one replies 0.
        ("RL.POLICY DEL new", ANY),
        (f"RL.POLICY IMPORT {EXPORT}", "OK"),
    ],
    "dashboard": READS,
}


@pytest.mark.parametrize("role", USERS)
def test_a_client_needs_no_other_right(role: str, driver: Driver, nodes: Nodes) -> None:
    """The client connects, and sends the role's commands one by one, in pipelines and in transactions."""
    has_transactions = driver.has_cluster_transactions or not nodes.cluster
    calls = [call for number in range(12) for call in KEYED[role](number)]
    batches = [Batch("each", [command for command, _ in calls])]
    expected = [[reply for _, reply in calls]]
    for mode in ("pipeline", "transaction") if has_transactions else ("pipeline",):
        for number in range(12, 18):
            calls = KEYED[role](number)
            batches.append(Batch(mode, [command for command, _ in calls]))
            expected.append([reply for _, reply in calls])
    batches.append(Batch("each", [to_each(call) for call, _ in WITHOUT_KEY[role]]))
    expected.append([[reply] * len(nodes.servers) for _, reply in WITHOUT_KEY[role]])

    assert driver.run(nodes.target(role), batches) == expected
    assert nodes.rejections() == []
