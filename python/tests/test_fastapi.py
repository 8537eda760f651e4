"""The parts that need FastAPI."""

from __future__ import annotations

import subprocess
import sys


def test_fastapi_is_optional() -> None:
    program = """
import sys
sys.modules["fastapi"] = None
import asyncio, httpx
from ratelog import RateLimiter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
limiter = RateLimiter("memory://", default="9/minute")
@limiter.limit("1/minute")
async def endpoint(request): return PlainTextResponse("ok")
app = Starlette(routes=[Route("/", endpoint)])
limiter.protect(app)
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example.com") as client:
        print(*[(await client.get("/")).status_code for _ in range(2)])
asyncio.run(main())
"""
    shim = ["-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"]
    done = subprocess.run([sys.executable, *shim], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "200 429\n"
