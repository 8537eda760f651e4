"""Bounding what is awaited. Not by `asyncio.wait_for`, which may lose a cancellation before Python 3.12."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout as within
else:  # pragma: no cover - redis-py needs it there, too
    from async_timeout import timeout as within  # type: ignore[import-not-found, unused-ignore]

__all__ = ["within"]
