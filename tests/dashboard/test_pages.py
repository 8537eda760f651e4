"""All pages: no fault, accessible, light and dark, wide and narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from .programs import AXE
from .scene import PATHS, change_something, deny, fill, open_every_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit
    from .programs import Dashboard

_VIOLATIONS = """async () => (await axe.run()).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(", ")}`)"""

_BRIGHTNESS = """() => {
    const channels = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3);
    return channels.reduce((sum, channel) => sum + Number(channel), 0) / 3;
}"""


@pytest.mark.parametrize("role", ["operator", "viewer"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(db: Any, visit: Visit, scheme: str, role: str) -> None:
    fill(db)
    change_something(visit())
    visitor = visit(role, color_scheme=scheme)
    axe = AXE.read_text()

    def check(path: str) -> None:
        visitor.page.evaluate(axe)
        assert visitor.page.evaluate(_VIOLATIONS) == [], path
        brightness = visitor.page.evaluate(_BRIGHTNESS)
        assert (brightness < 60) if scheme == "dark" else (brightness > 200), path

    if role == "operator":
        open_every_page(visitor, check)
    else:
        for path in PATHS:
            visitor.goto(path)
            check(path)
    visitor.allow_status(404)
    visitor.goto("/policy?name=missing")
    check("a failure")
    visitor.goto("/overview")
    visitor.page.keyboard.press("?")
    expect(visitor.page.get_by_role("dialog")).to_be_visible()
    check("the help")


@pytest.mark.parametrize("width", [400, 1200])
def test_pages_do_not_scroll_sideways(db: Any, visit: Visit, width: int) -> None:
    fill(db)
    change_something(visit())
    visitor = visit(viewport={"width": width, "height": 800})

    def check(path: str) -> None:
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide == visitor.page.evaluate("document.documentElement.clientWidth"), path
        assert visitor.page.evaluate("innerWidth") == width

    open_every_page(visitor, check)


def test_a_change_of_the_theme_is_followed(visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    visitor.goto("/overview")
    light = visitor.page.evaluate(_BRIGHTNESS)
    visitor.page.emulate_media(color_scheme="dark")
    assert visitor.page.evaluate(_BRIGHTNESS) < light


def test_pages_work_behind_a_base_path(db: Any, start: Callable[..., Dashboard], visit: Visit) -> None:
    fill(db)
    visitor = visit(at=start(base_path="/limits"), role=None)
    visitor.goto("/overview")
    visitor.page.get_by_label("Password").fill("an operator's password")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page).to_have_title("Overview · Ratelog")
    visitor.goto("/keys")
    deny(db, "victim")
    expect(visitor.page.get_by_role("link", name="victim").first).to_be_visible()
    change_something(visitor)

    def check(path: str) -> None:
        prefix = visitor.dashboard.url("/")
        assert visitor.page.url.startswith(prefix), path
        targets = visitor.page.evaluate("""() => [
            ...[...document.links].map((link) => link.href),
            ...[...document.forms].filter((form) => form.method !== "dialog")
                .map((form) => new URL(form.getAttribute("action"), location).href),
        ]""")
        assert [target for target in targets if not target.startswith(prefix)] == [], path

    open_every_page(visitor, check)
    # The last page answers a form, and its scripts may not have run yet.
    visitor.page.wait_for_load_state()
    visitor.page.keyboard.press("/")
    expect(visitor.page.get_by_role("searchbox")).to_be_focused()


def test_demo_traffic_is_stopped_and_started(start: Callable[..., Dashboard], visit: Visit) -> None:
    visitor = visit(at=start("--demo"), viewport={"width": 400, "height": 800})
    page = visitor.page
    visitor.goto("/overview")
    page.get_by_role("button", name="Stop demo traffic").click()
    expect(page.locator("p[role=status]")).to_have_text("The demo traffic has stopped.")
    page.get_by_role("button", name="Start demo traffic").click()
    expect(page.locator("p[role=status]")).to_have_text("The demo traffic runs.")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
