"""What is decided without the server: by the limiter in this process, or outright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core import Decision, Limits, LocalLimiter, Policies, granted
from ..errors import NoPolicyError
from .commands import known_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..check import Check

OnFailure = Literal["local", "allow", "deny"]


class Alone:
    """Decides by itself; `wait_ms` is what a denial tells that rests on nothing but the server's absence."""

    def __init__(self, local: LocalLimiter, policies: Policies, on_failure: OnFailure, wait_ms: int) -> None:
        self.local = local
        self._policies = policies
        self._on_failure = on_failure
        self._wait_ms = wait_ms

    def locally(self, checks: Sequence[Check], records: bool) -> list[Decision]:
        """All of the checks or none, by the limiter in this process.

        Raises:
            NoPolicyError: a check is under a policy that this process does not know.
        """
        terms = [known_terms(self._policies, check) for check in checks]
        if len(checks) == 1:
            (rules, shadow), (key, _, cost) = terms[0], checks[0]
            decision = self.local.check(key, rules, cost) if records else self.local.peek(key, rules, cost)
            return [decision.unenforced() if shadow else decision]
        return self._together(checks, terms, records)

    def fall_back(self, checks: Sequence[Check], records: bool) -> list[Decision]:
        """What becomes of checks while the server is away."""
        if self._on_failure == "local":
            try:
                return self.locally(checks, records)
            except NoPolicyError:
                # Nobody here knows the policy: requests flow on.
                return self._outright(checks, allow=True)
        return self._outright(checks, allow=self._on_failure == "allow")

    def _together(self, checks: Sequence[Check], terms: Sequence[tuple[Limits, bool]], records: bool) -> list[Decision]:
        enforced = [place for place, (_, shadow) in enumerate(terms) if not shadow]
        costs = {checks[place].cost for place in enforced}
        decisions: dict[int, Decision]

        def decide(place: int, recording: bool) -> Decision:
            method = self.local.check if recording else self.local.peek
            return method(checks[place].key, terms[place][0], checks[place].cost)

        if records and len(costs) == 1:
            together = self.local.mcheck([(checks[place].key, terms[place][0]) for place in enforced], costs.pop())
            decisions = dict(zip(enforced, together, strict=False))
        else:
            decisions = {place: decide(place, False) for place in enforced}
            if records and all(decisions.values()):
                decisions = {place: decide(place, True) for place in enforced}
        passed = records and all(decisions.values())
        for place, (_, shadow) in enumerate(terms):
            if shadow:
                decisions[place] = decide(place, passed).unenforced()
        return [decisions[place] for place in range(len(checks))]

    def _outright(self, checks: Sequence[Check], *, allow: bool) -> list[Decision]:
        return [granted(allow, self._rules(check), check.cost, self._wait_ms) for check in checks]

    def _rules(self, check: Check) -> Limits | None:
        try:
            return known_terms(self._policies, check)[0]
        except NoPolicyError:
            return None
