"""The prefix of the Redis keys of a limiter."""

from __future__ import annotations

import re

from .check import with_prefix

DEFAULT = "ratelog"
_UNTITLED = frozenset({"", "FastAPI"})
"""Titles of applications whose program gives none."""


class Prefix:
    """The prefix of the settings; without one, a prefix by the title of the first application that is protected.

    So two services with default settings do not share limits on one server.
    """

    def __init__(self, configured: str | None) -> None:
        self._configured = configured
        self._has_title = False
        self._set(DEFAULT if configured is None else configured)

    @property
    def is_shared(self) -> bool:
        """Whether other services may have the same prefix, since neither the settings nor a title give one."""
        return self._configured is None and not self._has_title

    def use_title(self, title: object) -> None:
        """Uses the title of an application, unless there is a prefix or another title."""
        if self.is_shared and isinstance(title, str) and title not in _UNTITLED:
            slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
            if slug:
                self._has_title = True
                self._set(f"{DEFAULT}:{slug}")

    def _set(self, value: str) -> None:
        self.value = value
        """The prefix."""
        self.start = with_prefix(value, b"")
        """The start of each Redis key: the prefix and a colon, or nothing."""
