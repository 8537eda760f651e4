"""Data for every page to show, and the pages."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from .browsing import Visitor

LONG_KEY = b"long" * 5000
HOSTILE_KEYS = [
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(1)>',
    b"'-alert(1)-'",
    b"javascript:alert(1)",
    b"{{7*7}}${7*7}",
    "\u202egnp.exe \u2066x".encode(),
    b"line\nbreak\ttab\x00\x1b[31m",
    b"\xff\xfe\x80not UTF-8",
    b"../../etc/passwd",
    b"..",
    b"a/b?c#d%e&f=g",
    b" ",
    LONG_KEY,
]
"""Keys that a page must show and not run."""


def shown(key: bytes) -> str:
    """The beginning of a key as pages show it."""
    text = ""
    for c in key[:200].decode(errors="surrogateescape"):
        if "\udc80" <= c <= "\udcff":
            text += f"\\x{ord(c) - 0xDC00:x}"
        else:
            text += c if c.isprintable() else f"\\u{{{ord(c):x}}}"
    return text if text.strip() else "\\u{20}" * len(text)


def key_path(key: bytes) -> str:
    """The path of a key's page."""
    if key in {b".", b".."}:
        return f"/keys/@hex:{key.hex()}"
    if len(key) > 4096:
        return f"/keys/@sha256:{hashlib.sha256(key).hexdigest()}"
    return "/keys/" + quote(key, safe=":")


def deny(db: Any, key: str | bytes) -> None:
    """Denies checks, so many that the list of denied keys, which halves its counts each minute, has them."""
    for _ in range(20):
        db.execute_command("RL.CHECK", key, 1, "1h")


def fill(db: Any) -> None:
    """Checks of some keys, denied ones among them, and overrides."""
    for number in range(3):
        for _ in range(7):
            db.execute_command("RL.CHECK", f"user:{number}", "POLICY", "api")
    db.execute_command("RL.CHECK", "job", "POLICY", "trial", "COST", 2)
    db.execute_command("RL.CHECK", "job", "POLICY", "trial")
    db.execute_command("RL.OVERRIDE", "SET", "partner:1", "ALLOW")
    db.execute_command("RL.OVERRIDE", "SET", "partner:2", "LIMIT", 10, "1s", 500, "1h", "EX", 5000)
    for key in HOSTILE_KEYS:
        deny(db, key)


def change_something(operator: Visitor) -> None:
    """Makes a change by the page, which the audit lists."""
    operator.goto(key_path(HOSTILE_KEYS[0]))
    operator.page.get_by_role("button", name="Set override").click()
    expect(operator.page.locator("p[role=status]")).to_contain_text("The override is set: allow")


PATHS = [
    "/overview",
    "/keys",
    # The pages of long keys follow a list of them.
    "/keys?match=*",
    "/keys?match=nobody",
    "/keys/user:1",
    "/keys/user:1?rules=api",
    "/keys/partner:2?rules=3/hour",
    "/keys/nobody?rules=trial",
    *(key_path(key) for key in HOSTILE_KEYS),
    "/policies",
    "/policy?name=api",
    "/policy?name=trial",
    "/policies/preview?name=api&rules=7/minute&mode=shadow",
    "/policies/preview?name=new&rules=7/minute;100/hour&mode=enforce&match=user:",
    "/overrides",
    "/overrides?match=partner:*",
    "/overrides?match=nobody",
    "/nodes",
    "/audit",
    "/login",
]
"""The pages of the dashboard."""

DIFF_OF_IMPORT = """{"policies":[
    {"name":"api","rules":[{"limit":7,"window":"1m"}]},
    {"name":"new","rules":[{"limit":1,"window":"1s"}]}
]}"""


def open_every_page(visitor: Visitor, check: Any) -> None:
    """Opens every page, those that answer forms too, and runs `check` with the path of each."""
    page = visitor.page
    for path in PATHS:
        visitor.goto(path)
        check(path)
    visitor.goto("/policies")
    page.get_by_label("JSON").fill(DIFF_OF_IMPORT)
    page.get_by_role("button", name="Show changes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Import of policies")
    check("the changes of an import")
    visitor.goto("/overrides")
    page.get_by_role("checkbox", name="Choose partner:1").check()
    page.get_by_role("button", name="Remove chosen…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Remove overrides")
    check("the chosen overrides")


def legend(page: Page, series: int) -> Locator:
    """The value of one series in a chart's legend: 0 is the time."""
    return page.locator(".u-legend .u-series").nth(series).locator(".u-value")
