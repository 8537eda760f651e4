"""Applications served by uvicorn, on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from .wait import until, until_sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@contextlib.asynccontextmanager
async def serve(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serves in the event loop. Yields the address, such as `127.0.0.1:40123`."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", **options))
    task = asyncio.create_task(server.serve())
    await until("uvicorn starts", lambda: server.started or task.done())
    try:
        yield _address(server)
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def serve_in_thread(app: Any) -> Iterator[str]:
    """Serves in a thread. Yields the URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until_sync("uvicorn starts", lambda: server.started)
        yield f"http://{_address(server)}"
    finally:
        server.should_exit = True
        thread.join()


def _address(server: uvicorn.Server) -> str:
    host, port = server.servers[0].sockets[0].getsockname()
    return f"{host}:{port}"
