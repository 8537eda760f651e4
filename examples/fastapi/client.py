"""A client that is limited, and waits it out: `python examples/fastapi/client.py http://127.0.0.1:8000`."""

from __future__ import annotations

import sys
from time import monotonic

import httpx

from ratelog.httpx import RetryTransport

FIELDS = ("ratelimit-policy", "ratelimit", "retry-after")
began = monotonic()


def show(title: str, response: httpx.Response) -> None:
    """What came back, and when."""
    told = {name: response.headers[name] for name in FIELDS if name in response.headers}
    print(f"{monotonic() - began:5.1f} s  {title:34} {response.status_code}  {told.get('ratelimit', '')}")
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        print(f"         Retry-After: {told['retry-after']}; {response.json()['violated-policies']}")


def main(url: str) -> None:
    """Requests until a limit, first without and then with a transport that waits."""
    with httpx.Client(base_url=url) as client:
        for _ in range(4):
            show("GET /search, plan free", client.get("/search"))
        for _ in range(4):
            show("GET /search, plan pro", client.get("/search", headers={"x-api-key": "key-of-ada"}))
        for _ in range(6):
            show("POST /login", client.post("/login"))
    print("\nThe same with a transport that waits as long as it is told:\n")
    with httpx.Client(base_url=url, transport=RetryTransport(), timeout=30) as client:
        for _ in range(7):
            show("GET /search, plan free, waiting", client.get("/search"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
