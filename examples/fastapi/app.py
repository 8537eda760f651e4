"""An API with limits by default, by plan and by endpoint, and keys by address, by API key and by user.

    uvicorn --app-dir examples/fastapi app:app

The limits of `/login` and of files are in ratelog.toml. To change them while the application runs, edit the file and
send `POST /reload`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket
from starlette.requests import HTTPConnection

from ratelog import Decision, RateLimiter
from ratelog.fastapi import health_router

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

PLANS = {"key-of-ada": "pro", "key-of-bob": "free"}

limiter = RateLimiter(config=Path(__file__).with_name("ratelog.toml"))
app = FastAPI(title="An API with limits")
limiter.protect(app)
app.include_router(health_router(limiter))


@limiter.plan
def plan(connection: HTTPConnection) -> str | None:
    """Returns the plan of the API key, if it is known."""
    return PLANS.get(connection.headers.get("x-api-key", ""))


def user(x_api_key: Annotated[str, Header()]) -> str:
    """Returns the user. A dependency of the application can be the key of a limit."""
    if x_api_key not in PLANS:
        raise HTTPException(401, "Unknown API key")
    return f"user:{x_api_key.removeprefix('key-of-')}"


@app.get("/search")
@limiter.limit({"free": "3/second; 5/10s", "pro": "20/second"}, key="api_key")
async def search(q: str = "") -> dict[str, list[str]]:
    """Limited by plan. Unknown plans get the limits of the first."""
    return {"found": [word for word in ("exact", "sliding", "log") if q in word]}


@app.get("/report", dependencies=[Depends(limiter("100/minute", cost=25, key=user))])
def report() -> dict[str, str]:
    """An expensive endpoint: a request costs 25 units."""
    return {"report": "all is well"}


@app.get("/quota")
async def quota(decision: Annotated[Decision | None, Depends(limiter("60/minute"))]) -> dict[str, int]:
    """A dependency that returns the decision."""
    return {"remaining": decision.remaining if decision else -1}


@app.post("/login")
async def login() -> dict[str, str]:
    """Limited by ratelog.toml."""
    return {"welcome": "back"}


@app.post("/reload")
@limiter.exempt
async def reload() -> dict[str, str]:
    """Reloads ratelog.toml."""
    limiter.reload()
    return {"reloaded": "ratelog.toml"}


@app.websocket("/ticks")
@limiter.limit("2/10s")
async def ticks(socket: WebSocket) -> None:
    """A WebSocket. The limit applies when it is opened."""
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()
