"""Rounds: each measures every application once, in random order."""

from __future__ import annotations

import random
import sys
from statistics import median
from typing import TYPE_CHECKING

from apps import WITHOUT_SERVER
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
        """Adds the sample of one application in the current round."""
        self._samples.setdefault(name, []).append(sample)

    def median(self, name: str, figure: Callable[[Sample], float]) -> float:
        """The median of one figure over all rounds."""
        return median(map(figure, self._samples[name]))

    def compared(self, names: Sequence[str], figure: Callable[..., float]) -> float:
        """The median over all rounds of `figure`, which compares the applications' samples of one round."""
        return median(figure(*samples) for samples in zip(*(self._samples[name] for name in names), strict=True))


def measure(apps: Sequence[App], store: Store, rounds: int, seconds: float) -> tuple[Rounds, Rounds]:
    """Measures at saturation, and at `RATE`."""
    full, steady = Rounds(), Rounds()
    order = list(apps)
    rng = random.Random(5)
    for number in range(rounds):
        rng.shuffle(order)
        for app in order:
            full.add(app.name, _sample(app, store, lambda app: saturated(app, seconds)))
            steady.add(app.name, _sample(app, store, lambda app: paced(app, seconds, RATE)))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return full, steady


def _sample(app: App, store: Store, load: Callable[[App], Sample]) -> Sample:
    # Each application starts with empty logs.
    store.client.flushall()
    before = store.commands()
    sample = load(app)
    if app.name not in WITHOUT_SERVER and store.commands() - before < sample.requests:
        raise RuntimeError(f"{app.name} did not send a command for every request")
    return sample
