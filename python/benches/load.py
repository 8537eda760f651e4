"""Load on an application: at saturation with `hey`, and at a steady rate.

At a steady rate, a request is due every 1/rate seconds, and its latency counts from then, whether or not earlier
requests are finished. (`hey -q` sends bursts: one request of each worker.)
"""

from __future__ import annotations

import asyncio
import csv
import selectors
import subprocess
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from processes import App

CONNECTIONS = 32
_REQUEST = b"GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Sample(NamedTuple):
    """One measurement of an application."""

    requests: int
    per_second: float
    p50: float
    """Milliseconds."""
    p99: float
    cpu: float
    """CPU microseconds of the application's process per request."""


def saturated(app: App, seconds: float) -> Sample:
    """Sends requests on all connections without pause."""
    _hey(app, "-n", "320")
    before = app.cpu_seconds()
    rows = _hey(app, "-z", f"{seconds:g}s")
    cpu = app.cpu_seconds() - before
    latencies = [float(row["response-time"]) for row in rows]
    took = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    return _sample(latencies, took, cpu)


def paced(app: App, seconds: float, rate: int) -> Sample:
    """Sends `rate` requests per second."""
    # The default loop's timers have a resolution of a millisecond.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        return loop.run_until_complete(_paced(app, seconds, rate))
    finally:
        loop.close()


async def _paced(app: App, seconds: float, rate: int) -> Sample:
    connections = [await asyncio.open_connection("127.0.0.1", app.port) for _ in range(CONNECTIONS)]
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        await _request(connection)
        free.put_nowait(connection)
    loop = asyncio.get_running_loop()
    latencies: list[float] = []

    async def request(due: float) -> None:
        connection = await free.get()
        await _request(connection)
        latencies.append(loop.time() - due)
        free.put_nowait(connection)

    before = app.cpu_seconds()
    began = loop.time()
    requests = []
    for number in range(round(seconds * rate)):
        due = began + number / rate
        if (early := due - loop.time()) > 0:
            await asyncio.sleep(early)
        requests.append(loop.create_task(request(due)))
    await asyncio.gather(*requests)
    took = loop.time() - began
    cpu = app.cpu_seconds() - before
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return _sample(latencies, took, cpu)


async def _request(connection: Connection) -> None:
    reader, writer = connection
    writer.write(_REQUEST)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(f"the application responded {head!r}")
    await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))


def _hey(app: App, *extent: str) -> list[dict[str, str]]:
    words = ["hey", "-c", str(CONNECTIONS), "-o", "csv", *extent, f"http://127.0.0.1:{app.port}/"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    others = {row["status-code"] for row in rows} - {"200"}
    if not rows or others:
        raise RuntimeError(f"{app.name} responded {', '.join(sorted(others)) or 'nothing'}")
    return rows


def _sample(latencies: list[float], took: float, cpu: float) -> Sample:
    parts = quantiles(latencies, n=100)
    return Sample(len(latencies), len(latencies) / took, parts[49] * 1e3, parts[98] * 1e3, cpu * 1e6 / len(latencies))
