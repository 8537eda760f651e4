"""The shared table of a limiter's steps: the engine with the table's server, and a clock that the steps move."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ratelog import Check, Decision, Limits
from ratelog._core import ManualClock
from ratelog.engine.commands import PROBE_KEY, probe
from ratelog.engine.engine import Engine
from ratelog.engine.operation import run
from ratelog.events import EventPublisher
from ratelog.settings import load
from support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog.engine.commands import Command, Reply
    from ratelog.engine.operation import Operation

CASES = json.loads((ROOT / "tests/limiter_cases.json").read_text(encoding="utf-8"))["cases"]
START = 1_700_000_000_000
UNKNOWN_COMMAND = {"error": "ERR unknown command 'RL.REFUND'"}

Answer = dict[str, Any]
parse_error: Any = BaseParser.parse_error


class TableServer:
    """Answers commands as a step of the table says."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.probe: Answer | None = None
        """The answer to the probe of a step."""
        self.is_probed = False

    def expect(self, answers: dict[str, Answer | list[Answer]]) -> None:
        """Sets the answer to each command of a step."""
        assert not any(self.answers.values()), f"not sent: {self.answers}"
        self.answers = {
            name: list(answer) if isinstance(answer, list) else [answer] for name, answer in answers.items()
        }

    def execute(self, commands: Sequence[Command]) -> list[Reply]:
        answers = [self._answer(command) for command in commands]
        for answer in answers:
            if "fails" in answer:
                raise {"connection-lost": RedisConnectionError, "timeout": RedisTimeoutError}[answer["fails"]]("failed")
        return [parse_error(answer["error"]) if "error" in answer else answer["reply"] for answer in answers]

    def _answer(self, command: Command) -> Answer:
        if command == probe(PROBE_KEY):
            self.is_probed = True
            # A client on the script may look for the module at any time.
            return UNKNOWN_COMMAND if self.probe is None else self.probe
        if command[0] == "UNLINK":
            # The probe of a server without the module, which answers.
            return {"reply": 0}
        left = self.answers.get(str(command[0]))
        if not left:
            pytest.fail(f"the step does not send {command!r}")
        return left.pop(0)


class LimiterCase:
    """A case in progress."""

    def __init__(self, settings: dict[str, Any]) -> None:
        settings = {"probe_max_interval": 50, **settings}
        settings["probe_max_interval"] /= 1000
        self.clock = ManualClock(START)
        self.engine = Engine(
            load(probe_min_interval=0.001, **settings),
            EventPublisher(),
            remote=settings.get("url") != "memory://",
            cluster=False,
            clock=self.clock,
        )
        self.server = TableServer()

    def run(self, step: dict[str, Any]) -> None:
        """Runs a step, and compares its result and the breaker's state."""
        self.clock.set(step["at"])
        self.server.expect(step.get("server", {}))
        if "probe" in step:
            self._probe(step)
        elif "raises" in step:
            with pytest.raises(Exception) as error:
                self._execute(self._operation(step))
            assert step["raises"] in str(error.value)
        else:
            result = self._execute(self._operation(step))
            if "count" in step:
                assert result == step["count"]
            else:
                expected = step["decisions"] if "decisions" in step else [step["decision"]]
                sources = step.get("sources") or [step["source"]] * len(expected)
                assert result == [Decision.from_reply(*both) for both in zip(expected, sources, strict=True)]
        self.server.expect({})
        assert self.engine.breaker.state.replace("half-open", "open") == step["state"]

    def _probe(self, step: dict[str, Any]) -> None:
        self.server.probe = step["probe"]
        is_available = self._execute(self.engine.probe())
        self.server.probe = None
        assert self.server.is_probed
        assert is_available is (step["state"] == "closed")

    def _execute(self, operation: Operation[Any]) -> Any:
        return run(operation, self.server.execute)

    def _operation(self, step: dict[str, Any]) -> Operation[Any]:
        if "check" in step:
            return self.engine.decide([to_check(step["check"])])
        if "peek" in step:
            return self.engine.check([to_check(step["peek"])], record=False)
        if "mcheck" in step:
            cost = step["mcheck"]["cost"]
            checks = [to_check({**check, "cost": cost}) for check in step["mcheck"]["checks"]]
            return self.engine.decide(checks, use_deny_cache=False)
        if "refund" in step:
            return self.engine.refund(step["refund"]["key"].encode(), step["refund"]["cost"])
        if "reset" in step:
            return self.engine.reset(step["reset"]["key"].encode())
        key = step["del_override"]["key"].encode()
        return self.engine.execute_module_command("an override", ("RL.OVERRIDE", "DEL", key), key)


def to_check(check: dict[str, Any]) -> Check:
    limits = Limits.of_policy(check["policy"]) if "policy" in check else Limits(check["rules"])
    return Check(check["key"].encode(), limits, check.get("cost", 1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_limiter_passes_the_cases(case: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    limiter = LimiterCase(case["settings"])
    for step in case["steps"]:
        caplog.clear()
        limiter.run(step)
        events = [record.ratelog["event"] for record in caplog.records]  # type: ignore[attr-defined]
        # The table has no `unanswered`, which is sampled by the clock.
        assert [event for event in events if event != "unanswered"] == step["events"], step
