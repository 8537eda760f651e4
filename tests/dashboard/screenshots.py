"""Writes the pictures of the pages that the documentation shows."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from support.server import Server
from support.wait import until_sync

from .browsing import Visitor
from .images import optimise
from .programs import CHROMIUM_OPTIONS, Dashboard, chromium
from .scene import legend
from .traffic import Traffic

if TYPE_CHECKING:
    from .traffic import Check

_MAX_BYTES = 150_000
_SECONDS = 90
"""The length of the curves."""

_POLICIES = """{"policies":[
    {"name":"api/search","rules":[{"limit":20,"window":"10s"},{"limit":2000,"window":"1h"}]},
    {"name":"exports","rules":[{"limit":10,"window":"1h"}]},
    {"name":"login","rules":[{"limit":5,"window":"1m"}]},
    {"name":"uploads","shadow":true,"rules":[{"limit":8,"window":"10s"}]}
]}"""

_PAGES = {"overview": "/overview", "key": "/keys/user:7?rules=api/search", "policies": "/policies"}


def checks() -> list[Check]:
    """Checks of many users, few of them heavy."""
    found: list[Check] = []
    for number in range(400):
        user = f"user:{1 + number * number % 41 % 17}"
        found.append((user, "POLICY", "api/search"))
        if number % 5 == 0:
            found.append(("user:7", "POLICY", "api/search"))
            found.append((f"upload:{number % 3}", "POLICY", "uploads"))
        if number % 23 == 0:
            found.append((f"ip:203.0.113.{number % 7}", "POLICY", "login"))
        if number % 61 == 0:
            found.append((f"export:{number % 2}", "POLICY", "exports"))
    return found


def main(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = Server()
        stack.callback(server.close)
        db = server.db(decode_responses=True)
        db.execute_command("RL.POLICY", "IMPORT", _POLICIES)
        db.execute_command("RL.OVERRIDE", "SET", "user:3", "LIMIT", 100, "10s", "EX", 86_400)
        dashboard = Dashboard(server.url, passwords=False)
        stack.callback(dashboard.close)
        stack.enter_context(Traffic(server, checks(), rate=60))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        stack.callback(browser.close)
        context = browser.new_context()
        context.new_page().goto(dashboard.link())
        state = context.storage_state()
        context.close()

        def is_long() -> bool:
            hits = db.execute_command("RL.HITS", "user:7")
            return bool(hits) and hits[0][0] - hits[-1][0] > _SECONDS * 1000

        until_sync("there was traffic for a while", is_long)
        folder.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            visitor = Visitor(
                browser.new_context(
                    storage_state=state, viewport={"width": 1200, "height": 900}, color_scheme=scheme, locale="en-GB"
                ),
                dashboard,
            )
            for name, path in _PAGES.items():
                visitor.goto(path)
                if name != "policies":
                    expect(legend(visitor.page, 0)).to_have_text(re.compile("[0-9]"))
                if name == "overview":
                    shown = legend(visitor.page, 0).inner_text()
                    expect(legend(visitor.page, 0)).not_to_have_text(shown)
                picture = folder / f"{name}-{scheme}.png"
                picture.write_bytes(optimise(visitor.page.screenshot(full_page=name == "key")))
                size = picture.stat().st_size
                assert size < _MAX_BYTES, f"{picture} has {size} bytes"
                sys.stdout.write(f"{picture} {size} bytes\n")
            visitor.context.close()
            visitor.check()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
