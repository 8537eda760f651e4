"""Rounds: in each, every application is measured once, in an order of its own."""

from __future__ import annotations

import random
import sys
from statistics import median
from typing import TYPE_CHECKING

from apps import ASK_NOBODY
from load import paced, saturated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from load import Sample
    from processes import App, Store

RATE = 1000


class Rounds:
    """The samples of all applications, round by round."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}

    def add(self, name: str, sample: Sample) -> None:
        """The sample of one application, in the round that it is in."""
        self._samples.setdefault(name, []).append(sample)

    def median(self, name: str, figure: Callable[[Sample], float]) -> float:
        """Of one figure."""
        return median(map(figure, self._samples[name]))

    def compared(self, names: Sequence[str], figure: Callable[..., float]) -> float:
        """The median of the rounds' own comparisons: `figure` is given each application's sample of one round."""
        return median(figure(*samples) for samples in zip(*(self._samples[name] for name in names), strict=True))


def measure(apps: Sequence[App], store: Store, rounds: int, seconds: float) -> tuple[Rounds, Rounds]:
    """At saturation, and at `RATE`."""
    full, steady = Rounds(), Rounds()
    order = list(apps)
    chance = random.Random(5)
    for number in range(rounds):
        chance.shuffle(order)
        for app in order:
            full.add(app.name, _sample(app, store, lambda app: saturated(app, seconds)))
            steady.add(app.name, _sample(app, store, lambda app: paced(app, seconds, RATE)))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return full, steady


def _sample(app: App, store: Store, load: Callable[[App], Sample]) -> Sample:
    # Nobody's log is longer than its own load made it.
    store.client.flushall()
    before = store.commands()
    sample = load(app)
    if app.name not in ASK_NOBODY and store.commands() - before < sample.requests:
        raise RuntimeError(f"{app.name} did not ask the server about every request")
    return sample
