"""Serves one application with uvicorn: `serve.py NAME URL STACK`. Prints the port."""

from __future__ import annotations

import importlib
import socket
import sys
from typing import Any

STACKS: dict[str, dict[str, Any]] = {
    "asyncio, h11": {"loop": "asyncio", "http": "h11"},
    "uvloop, httptools, hiredis": {"loop": "uvloop", "http": "httptools"},
}


def main(name: str, url: str, stack: str) -> None:
    """Serves until the process is terminated."""
    if "hiredis" not in stack:
        # Behaves as if hiredis were not installed.
        sys.modules["hiredis"] = None  # type: ignore[assignment]
    import uvicorn

    app = importlib.import_module("apps").APPS[name](url)
    # asyncio sets TCP_NODELAY only if the socket was created with this protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="warning", access_log=False, **STACKS[stack])
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
