"""A FastAPI application with limits, on a free port of 127.0.0.1. Prints its URL, and ends when its input is closed.

Its argument has settings of the limiter, as JSON.
"""
# ruff: noqa: INP001 - a script

from __future__ import annotations

import json
import sys
import threading
from time import sleep

import uvicorn
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware

from ratelog import RateLimiter

limiter = RateLimiter("memory://", **{"default": "2/second", **json.loads(sys.argv[1])})
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
limiter.protect(app)


@app.api_route("/", methods=["GET", "POST"])
async def echo(request: Request) -> str:
    """Returns the body."""
    return (await request.body()).decode()


server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))


def control() -> None:
    """Prints the URL when the application has started, and stops it at the end of the input."""
    while not server.started:
        sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}/\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.should_exit = True


threading.Thread(target=control, daemon=True).start()
server.run()
