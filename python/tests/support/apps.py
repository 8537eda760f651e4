"""Applications that several tests of the web package use."""

from typing import Annotated

import pytest
from fastapi import FastAPI, Header, HTTPException

from ratelog import RateLimiter

WITH_AND_WITHOUT = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "no middleware"])


def app_of(limiter: RateLimiter, middleware: bool) -> FastAPI:
    """An application without endpoints, with or without the middleware."""
    app = FastAPI()
    if middleware:
        limiter.protect(app)
    return app


def caller(x_user: Annotated[str, Header()]) -> str | None:
    """A key function with a dependency: exempts one user and rejects another."""
    if x_user == "banned":
        raise HTTPException(403)
    return None if x_user == "root" else x_user


def protected(limiter: RateLimiter) -> FastAPI:
    """An application with two endpoints and the middleware."""
    app = FastAPI()
    limiter.protect(app)

    @app.get("/a")
    def a() -> str:
        return "a"

    @app.get("/b")
    async def b() -> str:
        return "b"

    return app
