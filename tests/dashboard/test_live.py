"""Pages that change while they are open."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from support.server import Server
from support.wait import until_sync

from .programs import Dashboard
from .scene import deny, legend
from .traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from .browsing import Visitor
    from .conftest import Visit

_ALLOWED, _DENIED, _SHADOW = 1, 2, 3
_SOME = re.compile("^[1-9]")
_GREEN, _RED = (0x2F, 0x9E, 0x5F), (0xD9, 0x45, 0x3C)

_COUNT_PIXELS = """([red, green, blue]) => {
    const canvas = document.querySelector(".chart canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) count += data[i] === red && data[i + 1] === green && data[i + 2] === blue;
    return count;
}"""


def pixels(page: Page, color: tuple[int, int, int]) -> int:
    """The pixels of this colour in the chart."""
    return int(page.evaluate(_COUNT_PIXELS, color))


def test_the_curves_move_while_traffic_flows(server: Server, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    with Traffic(server, [("user:1", "1000000", "1h")]):
        expect(legend(page, _ALLOWED)).to_have_text(_SOME)
        expect(legend(page, _DENIED)).to_have_text("0")
        until_sync("the curve is drawn", lambda: pixels(page, _GREEN) > 50)
        time = legend(page, 0).inner_text()
        expect(legend(page, 0)).not_to_have_text(time)
    with Traffic(server, [("user:2", "0", "1h")]):
        expect(legend(page, _DENIED)).to_have_text(_SOME)
        expect(legend(page, _ALLOWED)).to_have_text("0")
        until_sync("the other curve is drawn", lambda: pixels(page, _RED) > 50)
    expect(legend(page, _DENIED)).to_have_text("0")


def test_the_curves_of_a_policy_are_its_own(server: Server, operator: Visitor) -> None:
    page = operator.page
    with Traffic(server, [("job", "POLICY", "trial"), ("user:2", "0", "1h")]):
        operator.goto("/policy?name=trial")
        expect(legend(page, _SHADOW)).to_have_text(_SOME)
        expect(legend(page, _ALLOWED)).to_have_text(_SOME)
        expect(legend(page, _DENIED)).to_have_text("0")


def test_the_chart_has_a_longer_range(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    button = page.get_by_role("button", name="24 hours")
    with page.expect_response(lambda response: "range=24h" in response.url):
        button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    with page.expect_response(lambda response: "range=15m" in response.url):
        page.get_by_role("button", name="15 minutes").click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_the_legend_follows_the_pointer(server: Server, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    with Traffic(server, [("user:1", "1000000", "1h")]):
        expect(legend(page, _ALLOWED)).to_have_text(_SOME)
    expect(legend(page, _ALLOWED)).to_have_text("0")
    area = page.locator(".u-over")
    width = area.evaluate("(element) => element.clientWidth")

    def points_at_traffic() -> bool:
        for x in range(width - 5, 0, -5):
            area.hover(position={"x": x, "y": 20})
            if _SOME.match(legend(page, _ALLOWED).inner_text()):
                return True
        return False

    assert points_at_traffic()
    page.mouse.move(1, 1)
    expect(legend(page, _ALLOWED)).to_have_text("0")


def test_a_denied_key_appears(db: Any, operator: Visitor) -> None:
    page = operator.page
    for path in ["/overview", "/keys"]:
        operator.goto(path)
        key = f"victim of {path}"
        expect(page.get_by_role("link", name=key)).to_have_count(0)
        deny(db, key)
        denied = page.locator("section", has=page.get_by_role("heading", name=re.compile("denied most", re.IGNORECASE)))
        expect(denied.get_by_role("link", name=key)).to_be_visible()


def test_the_rates_and_the_rules_that_deny_are_shown(server: Server, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    with Traffic(server, [("user:1", "POLICY", "login"), ("job", "POLICY", "trial")]):
        tile = page.locator(".tile")
        expect(tile.nth(0).locator("strong")).to_have_text(_SOME)
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="login", exact=True))
        expect(row).to_contain_text(re.compile("3/hour: [1-9]"))
        expect(row).to_contain_text("100.0 %")
        shadow = page.get_by_role("row").filter(has=page.get_by_role("link", name="trial", exact=True))
        expect(shadow.get_by_role("cell").nth(3)).to_have_text(re.compile(r"^[1-9].* %$"))


def test_a_notice_says_that_the_dashboard_is_away(db: Any, start: Callable[..., Dashboard], visit: Visit) -> None:
    visitor = visit(at=start())
    page = visitor.page
    visitor.allow("ERR_")
    visitor.allow("htmx:sse:error")
    notice = page.get_by_role("alert").filter(has_text="The connection to the dashboard is lost")
    for path in ["/overview", "/policy?name=api"]:
        visitor.goto(path, live=path == "/overview")
        expect(page.locator(".u-legend")).to_be_visible()
        expect(notice).to_be_hidden()
        visitor.dashboard.stop()
        expect(notice).to_be_visible()
        visitor.dashboard.restart()
        expect(notice).to_be_hidden()
    visitor.goto("/keys", live=True)
    for key in ["before the restart", "after the restart"]:
        deny(db, key)
        expect(page.get_by_role("link", name=key).first).to_be_visible()
        visitor.dashboard.stop()
        visitor.dashboard.restart()


def test_a_page_becomes_live_when_the_dashboard_was_away_at_first(db: Any, operator: Visitor) -> None:
    page = operator.page
    notice = page.get_by_role("alert").filter(has_text="The connection to the dashboard is lost")
    for answer in [lambda route: route.abort(), lambda route: route.fulfill(status=502, body="bad gateway")]:
        page.route("**/live/keys", answer)
        operator.goto("/keys")
        expect(notice).to_be_visible()
        expect(page.get_by_role("heading", name="Denied most")).to_be_visible()
        page.unroute("**/live/keys")
        expect(notice).to_be_hidden()
        deny(db, "after all")
        expect(page.get_by_role("link", name="after all").first).to_be_visible()
        db.execute_command("RL.STATS", "RESET")
    operator.allow("ERR_FAILED")
    operator.allow("Failed to fetch")
    operator.allow_status(502)


def test_a_chart_loads_the_points_of_the_time_without_a_connection(operator: Visitor) -> None:
    page = operator.page
    page.route("**/live/overview", lambda route: route.abort())
    operator.goto("/overview")
    expect(legend(page, _ALLOWED)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()
    with page.expect_response(lambda response: "range=15m" in response.url):
        page.unroute("**/live/overview")
    operator.allow("ERR_FAILED")
    operator.allow("Failed to fetch")


def test_a_page_whose_session_has_ended_leads_to_the_login(visit: Visit) -> None:
    for ends_at_first in [False, True]:
        visitor = visit()
        page = visitor.page
        if ends_at_first:
            page.route("**/live/nodes", lambda route: route.abort())
        with page.expect_event("requestfailed") if ends_at_first else contextlib.nullcontext():
            visitor.goto("/nodes", live=not ends_at_first)
        visitor.context.clear_cookies()
        if ends_at_first:
            page.unroute("**/live/nodes")
        else:
            page.evaluate("document.querySelector('.live')._htmx.sse.reader.cancel()")
        expect(page.locator("main.login")).to_be_visible()
        visitor.allow_status(401)
        visitor.allow("Failed to fetch|ERR_FAILED" if ends_at_first else "SSE reconnect failed with status 401")


def test_a_server_that_is_away_is_shown_until_it_is_back(visit: Visit) -> None:
    with contextlib.ExitStack() as stack:
        server = Server()
        stack.callback(server.close)
        dashboard = Dashboard(server.url)
        stack.callback(dashboard.close)
        visitor = visit(at=dashboard)
        row = visitor.page.get_by_role("row").filter(has_text=str(server.port))
        for path in ["/nodes", "/overview"]:
            visitor.goto(path)
            expect(row).to_contain_text("answers")
            server.kill()
            expect(row).to_contain_text("down for")
            expect(visitor.page.get_by_role("list", name="Problems")).to_contain_text(str(server.port))
            server.restart()
            expect(row).to_contain_text("answers")
            expect(visitor.page.get_by_role("list", name="Problems")).to_have_count(0)
        # The page is closed before its dashboard.
        visitor.context.close()
