"""Policies: rules that the server stores under a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from .._core import Limits
from ..check import LimitsLike, to_limits
from .overrides import parse_map, parse_rules, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .commands import Reply


@dataclass(frozen=True)
class Policy:
    """A policy that the server stores."""

    name: str
    limits: Limits
    """The policy's rules."""
    shadow: bool = False
    """Whether checks that the rules deny are allowed nevertheless, and counted as `shadow_denied`."""


@dataclass(frozen=True)
class NodePolicies:
    """The policies of one primary of a cluster, as it last reported them."""

    node: str
    """The node's ID."""
    version: int
    """The greatest counter of a change that the node has received."""
    digest: str
    """The digest of the node's policies and their versions."""
    equal: bool
    """Whether the policies are those of the node that replied."""
    age_ms: int
    """Milliseconds since the node's last report, which is at most a minute old."""


def policy_rules(name: str, limits: LimitsLike) -> Sequence[str]:
    """The arguments of `RL.POLICY SET` for rules.

    Raises:
        ValueError: the name is invalid, or the limits do not parse or name a policy.
    """
    Limits.of_policy(name)
    rules = to_limits(limits)
    if rules.policy is not None:
        raise ValueError("a policy takes rules, not another policy")
    return rules.args


def parse_policy(name: str, reply: Reply) -> Policy | None:
    """Parses the reply of `RL.POLICY GET`; `None` if there is no such policy."""
    if reply is None:
        return None
    fields = parse_map(reply)
    return Policy(name, Limits.of_rules(parse_rules(fields["rules"])), text(fields["mode"]) == "shadow")


def parse_node_policies(reply: Reply) -> list[NodePolicies]:
    """Parses the reply of `RL.POLICY SYNC`."""
    return [
        NodePolicies(
            node=text(fields["node"]),
            version=cast("int", fields["version"]),
            digest=text(fields["digest"]),
            equal=bool(fields["equal"]),
            age_ms=cast("int", fields["age_ms"]),
        )
        for fields in map(parse_map, cast("list[Reply]", reply))
    ]


def to_document(document: str | bytes | Mapping[str, object]) -> str | bytes:
    """The JSON text of exported policies, which may be parsed already."""
    return json.dumps(document) if isinstance(document, Mapping) else document
