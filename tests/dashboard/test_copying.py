"""Copying, also where browsers have no clipboard."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from .scene import key_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from .conftest import Visit
    from .programs import Dashboard

_KEY = 'user:1 "<ä>"'


def _stop_clock(page: Page) -> None:
    """Stops the page's clock, so that a button says for as long as the test looks that it has copied."""
    page.clock.pause_at(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1))


def test_copying_works_over_plain_http(db: Any, start: Callable[..., Dashboard], visit: Visit) -> None:
    dashboard = start(passwords=False)
    visitor = visit(role=None, at=dashboard)
    page = visitor.page
    page.clock.install()
    page.goto(dashboard.link().replace("127.0.0.1", "dashboard.test"))
    path = key_path(_KEY.encode())
    page.goto(dashboard.url(path, host="dashboard.test"))
    assert page.evaluate("navigator.clipboard === undefined")
    _stop_clock(page)
    for button, text in [("Copy key", _KEY), ("Copy percent-encoded", path.removeprefix("/keys/"))]:
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("button", name="Copied")).to_be_focused()
        field = page.get_by_label("Policy or rules")
        field.fill("")
        field.press("Control+V")
        expect(field).to_have_value(text)
        page.clock.run_for(1500)
        expect(page.get_by_role("button", name=button)).to_be_visible()


def test_copying_uses_the_clipboard_where_there_is_one(visit: Visit) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.clock.install()
    visitor.goto(key_path(_KEY.encode()))
    _stop_clock(page)
    button = page.get_by_role("button", name="Copy key")
    button.click()
    # A second press while the button says so does not become its label.
    page.get_by_role("button", name="Copied").click()
    assert page.evaluate("navigator.clipboard.readText()") == _KEY
    page.clock.run_for(1500)
    expect(button).to_have_text("Copy key")
