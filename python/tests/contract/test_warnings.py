"""Applications that neither close their limiter nor run its lifespan cause no warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cluster import Cluster
from support.programs import run_strictly
from support.sentinel import Sentinels

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Server
    from support.types import Start

APP = """
import asyncio, gc, logging
import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ratelog import RateLimiter, SyncRateLimiter

# Not the warnings of slow callbacks.
logging.getLogger("asyncio").setLevel(logging.ERROR)
options = dict(timeout=5.0, connect_timeout=10.0, deny_cache={deny_cache})
limiter = RateLimiter("{url}", default="2/minute", prefix="test", **options)
app = FastAPI()
limiter.protect(app)


@app.get("/{{name}}")
async def read(name: str):
    return name


async def check_many():
    decisions = await asyncio.gather(*[limiter.check("k", "2/minute") for _ in range(9)])
    assert all(decision.source == "module" for decision in decisions), limiter.health()

"""

PROGRAMS = {
    "test client without lifespan": """
client = TestClient(app)
assert [client.get("/a").status_code for _ in range(3)] == [200, 200, 429]
""",
    "test client with lifespan, twice": """
for expected in (200, 429):
    with TestClient(app) as client:
        assert [client.get("/a").status_code for _ in range(2)] == [expected] * 2
""",
    "httpx without lifespan": """
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example.com") as client:
        assert [(await client.get("/a")).status_code for _ in range(3)] == [200, 200, 429]

asyncio.run(main())
""",
    "several event loops": """
for _ in range(3):
    asyncio.run(check_many())
""",
    "an event loop without asyncio.run": """
loop = asyncio.new_event_loop()
loop.run_until_complete(check_many())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
""",
    "checks in progress": """
async def main():
    await check_many()
    checks = [asyncio.create_task(limiter.check("k", "2/minute")) for _ in range(9)]
    await asyncio.sleep(0)

asyncio.run(main())
""",
    "limiters without aclose": """
async def main(turns):
    limiter = RateLimiter("{url}", **options)
    await limiter.check("k", "2/minute")
    del limiter
    gc.collect()
    for _ in range(turns):
        await asyncio.sleep(0)

for turns in range(12):
    asyncio.run(main(turns))
""",
    "a blocking limiter without close": """
for _ in range(2):
    limiter = SyncRateLimiter("{url}", **options)
    assert limiter.check("k", "2/minute").source == "module"
    del limiter
    gc.collect()
""",
    "a blocking limiter at the exit": """
limiter = SyncRateLimiter("{url}", **options)
assert limiter.check("k", "2/minute").source == "module"
""",
}
OF_ANY_SERVER = [name for name in PROGRAMS if "client" not in name and "httpx" not in name]


@pytest.mark.parametrize("deny_cache", [0, 100])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_with_one_server_warns_of_nothing(server: Server, name: str, deny_cache: int) -> None:
    run_strictly("-c", (APP + PROGRAMS[name]).format(url=server.url, deny_cache=deny_cache))


def test_a_program_with_a_cluster_warns_of_nothing(start: Start) -> None:
    cluster = Cluster(start)
    for name in OF_ANY_SERVER:
        run_strictly("-c", (APP + PROGRAMS[name]).format(url=cluster.url, deny_cache=100))


def test_a_program_with_sentinels_warns_of_nothing(start: Start) -> None:
    primary = start()
    start().db().replicaof("127.0.0.1", primary.port)
    sentinels = Sentinels(start, primary)
    for name in OF_ANY_SERVER:
        run_strictly("-c", (APP + PROGRAMS[name]).format(url=sentinels.url, deny_cache=0))


SUITE = """
import pytest


def test_without_lifespan():
    assert TestClient(app).get("/a").status_code == 200


def test_with_lifespan():
    with TestClient(app) as client:
        assert client.get("/b").status_code == 200


def test_after_asyncio_run():
    asyncio.run(check_many())
    gc.collect()


async def test_in_an_event_loop_of_its_own():
    await check_many()


async def test_with_another_limiter():
    other = RateLimiter("{url}", **options)
    assert (await other.check("other", "2/minute")).source == "module"


def test_in_a_thread():
    assert SyncRateLimiter("{url}", **options).check("sync", "2/minute").source == "module"
    gc.collect()
"""


def test_a_suite_in_which_warnings_are_errors_passes(server: Server, tmp_path: Path) -> None:
    (tmp_path / "test_app.py").write_text((APP + SUITE).format(url=server.url, deny_cache=100))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    assert "6 passed" in run_strictly("-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path)
