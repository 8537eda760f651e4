"""Decisions without the server: by the limiter in this process, or fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core import Decision, Limits, LocalLimiter, Policies, fallback_decision
from ..check import MAX_COST, with_excessive_cost
from ..errors import NoPolicyError
from ..events import log_unknown_policy
from .commands import resolve_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..check import Check

FallbackMode = Literal["local", "allow", "deny"]

MAX_WARNED_POLICIES = 1000
"""A program may compute the names of policies, so the set of names that were warned about is bounded."""


class Fallback:
    """Decides checks while the server is unavailable."""

    def __init__(self, local: LocalLimiter, policies: Policies, mode: FallbackMode, retry_after_ms: int) -> None:
        """`retry_after_ms` is the wait that a fixed denial reports."""
        self.local = local
        self._policies = policies
        self._mode = mode
        self._retry_after_ms = retry_after_ms
        self._warned: set[str] = set()

    def check_locally(self, checks: Sequence[Check], record: bool) -> list[Decision]:
        """Checks all keys or none with the limiter in this process.

        Raises:
            NoPolicyError: this process does not know the policy of a check.
        """
        resolved = [resolve_policy(self._policies, check) for check in checks]
        if len(checks) == 1:
            rules, is_shadow = resolved[0]
            decision = self._decide(checks[0], rules, record)
            return [decision.unenforced() if is_shadow else decision]
        return self._check_all(checks, resolved, record)

    def allow(self, checks: Sequence[Check]) -> list[Decision]:
        """Allows checks without a log."""
        return self._decide_fixed(checks, allow=True)

    def decide(self, checks: Sequence[Check], record: bool) -> list[Decision]:
        """Decides checks as the setting `fallback` says. Allows checks under a policy that is unknown here."""
        if self._mode == "local":
            try:
                return self.check_locally(checks, record)
            except NoPolicyError:
                return self.check_known_locally(checks, record)
        return self._decide_fixed(checks, allow=self._mode == "allow")

    def _check_all(
        self, checks: Sequence[Check], resolved: Sequence[tuple[Limits, bool]], record: bool
    ) -> list[Decision]:
        enforced = [index for index, (_, is_shadow) in enumerate(resolved) if not is_shadow]
        costs = {checks[index].cost for index in enforced}
        decisions: dict[int, Decision]

        def decide(index: int, record: bool) -> Decision:
            return self._decide(checks[index], resolved[index][0], record)

        if record and len(costs) == 1 and checks[enforced[0]].is_recorded:
            together = self.local.mcheck([(checks[index].key, resolved[index][0]) for index in enforced], costs.pop())
            decisions = dict(zip(enforced, together, strict=False))
        else:
            decisions = {index: decide(index, False) for index in enforced}
            if record and all(decisions.values()):
                decisions = {index: decide(index, True) for index in enforced}
        is_recorded = record and all(decisions.values())
        for index, (_, is_shadow) in enumerate(resolved):
            if is_shadow:
                decisions[index] = decide(index, is_recorded).unenforced()
        return [decisions[index] for index in range(len(checks))]

    def _decide(self, check: Check, rules: Limits, record: bool) -> Decision:
        if record and check.is_recorded:
            return self.local.check(check.key, rules, check.cost)
        decision = self.local.peek(check.key, rules, check.valid_cost)
        return with_excessive_cost(decision) if check.cost > MAX_COST else decision

    def check_known_locally(self, checks: Sequence[Check], record: bool) -> list[Decision]:
        """Checks those keys whose rules this process knows, and allows the others."""
        known = [self._known_rules(check) is not None for check in checks]
        self._warn_unknown_policies([check for check, is_known in zip(checks, known, strict=True) if not is_known])
        checked = [check for check, is_known in zip(checks, known, strict=True) if is_known]
        decisions = iter(self.check_locally(checked, record) if checked else ())
        return [
            next(decisions) if is_known else fallback_decision(True, None, check.valid_cost, 0, check.key)
            for check, is_known in zip(checks, known, strict=True)
        ]

    def _decide_fixed(self, checks: Sequence[Check], *, allow: bool) -> list[Decision]:
        return [
            fallback_decision(allow, self._known_rules(check), check.valid_cost, self._retry_after_ms, check.key)
            for check in checks
        ]

    def _known_rules(self, check: Check) -> Limits | None:
        try:
            return resolve_policy(self._policies, check)[0]
        except NoPolicyError:
            return None

    def _warn_unknown_policies(self, checks: Sequence[Check]) -> None:
        for check in checks:
            policy = check.limits.policy
            if policy is None or policy in self._warned:
                continue
            if len(self._warned) < MAX_WARNED_POLICIES:
                self._warned.add(policy)
                log_unknown_policy(policy)
