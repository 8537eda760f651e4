"""The report in Markdown."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from load import CONNECTIONS
from rounds import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from load import Sample
    from rounds import Rounds

    Figure = Callable[[Sample], float]

PLAIN, OURS, BY_HAND, SLOWAPI, SLOWAPI_WITH_HEADERS = (
    "the plain app",
    "`RateLimitMiddleware`",
    "a dependency on redis-py",
    "slowapi 0.1.10",
    "slowapi 0.1.10, with headers",
)


def machine(server: str) -> str:
    """Describes the machine and the server."""
    cores = os.cpu_count()
    processor = _field("/proc/cpuinfo", "model name")
    memory = int(re.sub(r"\D", "", _field("/proc/meminfo", "MemTotal"))) / (1 << 20)
    return (
        "# Benchmarks of the Python package\n\n"
        f"- Machine: {cores} cores, {processor}, {memory:.1f} GiB of memory, shared by all processes\n"
        f"- Server: {server}; Python {platform.python_version()}\n"
        "- Run it yourself: `make bench`, or `scripts/bench-python --output FILE`\n"
    )


def explanation(rounds: int, seconds: float) -> str:
    """Describes the applications and the method."""
    return f"""## Requests

A FastAPI application with one endpoint that returns a short JSON text, in one uvicorn process, with a limit of
1,000,000 requests per minute that never denies. The dependency on redis-py is hand-written code: one `RL.CHECK` with
`execute_command`, and three headers. slowapi uses a moving window in Redis; with headers enabled, it sends a second
command. fastapi-limiter uses a bucket in Redis, and throttled-py its default, a token bucket in Redis; these two send
no headers here.

Medians of {rounds} rounds of {seconds:g} s per application, in random order. "Added" is relative to the plain app in
the same round. Latencies are milliseconds; CPU is microseconds of the application's process per request. At saturation,
{CONNECTIONS} keep-alive connections send requests without pause. At {RATE:,} requests per second, a request is due
every millisecond, and its latency counts from then, whether or not earlier requests are finished.
"""


def saturation(stack: str, names: Sequence[str], rounds: Rounds) -> str:
    """The table of one stack at saturation."""
    lines = [
        f"| {name} | {rounds.median(name, _rate):,.0f} | {rounds.compared([name, SLOWAPI], _throughput):.2f} "
        f"| {rounds.median(name, _p50):.1f} | {rounds.median(name, _p99):.1f} | {_added(rounds, name, _p99):.1f} "
        f"| {rounds.median(name, _cpu):.0f} | {_added(rounds, name, _cpu):.0f} | {_share(rounds, name):.2f} |"
        for name in names
    ]
    return _table(
        f"### At saturation: {stack}",
        "app | requests/s | / slowapi | p50 | p99 | p99 added | CPU | CPU added | / dependency's",
        lines,
    )


def steady(stack: str, names: Sequence[str], rounds: Rounds) -> str:
    """The table of one stack at a steady rate."""
    lines = [
        f"| {name} | {rounds.median(name, _rate):,.0f} "
        f"| {rounds.median(name, _p50):.2f} | {_added(rounds, name, _p50):.2f} "
        f"| {rounds.median(name, _p99):.2f} | {_added(rounds, name, _p99):.2f} "
        f"| {rounds.median(name, _cpu):.0f} | {_added(rounds, name, _cpu):.0f} |"
        for name in names
    ]
    return _table(
        f"### At {RATE:,} requests per second: {stack}",
        "app | responses/s | p50 | added | p99 | added | CPU | CPU added",
        lines,
    )


def targets(stacks: Sequence[tuple[str, Rounds, Rounds]]) -> str:
    """The targets, and the results of each stack."""
    goals: list[tuple[str, Callable[[Rounds, Rounds], str]]] = [
        (
            "CPU added by the middleware / by the dependency, at saturation, <= 0.5",
            lambda full, _: f"{_share(full, OURS):.2f}",
        ),
        (
            "latency added to a request, the same ratio, from requests/s, <= 0.5",
            lambda full, _: f"{full.compared([PLAIN, OURS, BY_HAND], _time_share):.2f}",
        ),
        (f"p99 added at {RATE:,} requests per second, < 1 ms", lambda _, paced: f"{_added(paced, OURS, _p99):.2f} ms"),
        ("p99 added at saturation, < 5 ms", lambda full, _: f"{_added(full, OURS, _p99):.1f} ms"),
        (
            "requests/s / slowapi's, both with headers, >= 2.5",
            lambda full, _: f"{full.compared([OURS, SLOWAPI_WITH_HEADERS], _throughput):.2f}",
        ),
        (
            "the same, slowapi without headers, >= 2.5",
            lambda full, _: f"{full.compared([OURS, SLOWAPI], _throughput):.2f}",
        ),
    ]
    lines = [f"| {goal} | {' | '.join(result(full, paced) for _, full, paced in stacks)} |" for goal, result in goals]
    return _table("## Targets of the middleware", f"target | {' | '.join(stack for stack, _, _ in stacks)}", lines)


def _table(title: str, head: str, lines: Sequence[str]) -> str:
    rule = "|".join([" --- "] * (head.count("|") + 1))
    return "\n".join([title, "", f"| {head} |", f"|{rule}|", *lines, ""])


def _rate(sample: Sample) -> float:
    return sample.per_second


def _p50(sample: Sample) -> float:
    return sample.p50


def _p99(sample: Sample) -> float:
    return sample.p99


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _throughput(one: Sample, other: Sample) -> float:
    return one.per_second / other.per_second


def _added(rounds: Rounds, name: str, figure: Figure) -> float:
    return rounds.compared([PLAIN, name], lambda plain, one: figure(one) - figure(plain))


def _share(rounds: Rounds, name: str) -> float:
    return rounds.compared(
        [PLAIN, name, BY_HAND], lambda plain, one, other: (one.cpu - plain.cpu) / (other.cpu - plain.cpu)
    )


def _time_share(plain: Sample, one: Sample, other: Sample) -> float:
    base = 1 / plain.per_second
    return (1 / one.per_second - base) / (1 / other.per_second - base)


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"
