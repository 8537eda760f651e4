"""A client that is rate limited, and one that retries: `python examples/fastapi/client.py http://127.0.0.1:8000`."""

from __future__ import annotations

import sys
from time import monotonic

import httpx

from ratelog.httpx import RetryTransport

HEADERS = ("ratelimit-policy", "ratelimit", "retry-after")
began = monotonic()


def show(title: str, response: httpx.Response) -> None:
    """Prints a response and its time."""
    headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
    print(f"{monotonic() - began:5.1f} s  {title:34} {response.status_code}  {headers.get('ratelimit', '')}")
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        print(f"         Retry-After: {headers['retry-after']}; {response.json()['violated-policies']}")


def main(url: str) -> None:
    """Sends requests up to a limit, without and with a transport that retries."""
    with httpx.Client(base_url=url) as client:
        for _ in range(4):
            show("GET /search, plan free", client.get("/search"))
        for _ in range(4):
            show("GET /search, plan pro", client.get("/search", headers={"x-api-key": "key-of-ada"}))
        for _ in range(6):
            show("POST /login", client.post("/login"))
    print("\nThe same with a transport that retries:\n")
    with httpx.Client(base_url=url, transport=RetryTransport(), timeout=30) as client:
        for _ in range(7):
            show("GET /search, plan free, retrying", client.get("/search"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
