"""A server, a dashboard and a browser, which all tests share, and pages that fail their test on any error."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from support.server import Server
from support.wait import TIMEOUT

from .browsing import Visitor
from .programs import CHROMIUM_OPTIONS, PASSWORDS, Dashboard, chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, StorageState

    Visit = Callable[..., Visitor]

POLICIES = """{"policies":[
    {"name":"api","rules":[{"limit":5,"window":"10s"},{"limit":1000,"window":"1h"}]},
    {"name":"login","rules":[{"limit":3,"window":"1h"}]},
    {"name":"trial","shadow":true,"rules":[{"limit":2,"window":"1h"}]}
]}"""


def pytest_configure() -> None:
    """Stops the programs also if the tests are terminated."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    expect.set_options(timeout=TIMEOUT * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(_server: Server) -> Server:
    """A server with three policies and no keys."""
    db = _server.db()
    db.execute_command("FLUSHALL")
    db.execute_command("RL.STATS", "RESET")
    db.execute_command("RL.POLICY", "IMPORT", POLICIES)
    return _server


@pytest.fixture
def db(server: Server) -> Any:
    """An administrator's connection."""
    return server.db(decode_responses=True)


@pytest.fixture(scope="session")
def _dashboard(browser: Browser, _server: Server) -> Iterator[Dashboard]:
    dashboard = Dashboard(_server.url)
    yield dashboard
    dashboard.close()


@pytest.fixture
def dashboard(server: Server, _dashboard: Dashboard) -> Dashboard:
    """A dashboard of the server."""
    return _dashboard


@pytest.fixture
def start(server: Server) -> Iterator[Callable[..., Dashboard]]:
    """Starts other dashboards of the server, which stop with the test."""
    dashboards: list[Dashboard] = []

    def start(*options: str, **more: Any) -> Dashboard:
        dashboard = Dashboard(server.url, *options, **more)
        dashboards.append(dashboard)
        return dashboard

    yield start
    for dashboard in dashboards:
        dashboard.close()


@pytest.fixture(scope="session")
def _states(browser: Browser, _dashboard: Dashboard) -> dict[str, StorageState]:
    """The cookies of each role's session."""
    states = {}
    for role, password in PASSWORDS.items():
        with browser.new_context() as context:
            context.set_default_timeout(TIMEOUT * 1000)
            page = context.new_page()
            page.goto(_dashboard.url("/login"))
            page.get_by_label("User").select_option(role)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in").click()
            expect(page).to_have_title("Overview · Ratelog")
            states[role] = context.storage_state()
    return states


@pytest.fixture
def visit(browser: Browser, dashboard: Dashboard, _states: dict[str, StorageState]) -> Iterator[Visit]:
    """Opens browsers, as an operator unless `role` names another or none. An error in any of them fails the test."""
    visitors: list[Visitor] = []

    def visit(role: str | None = "operator", at: Dashboard = dashboard, **options: Any) -> Visitor:
        state = None if role is None else _states[role]
        visitor = Visitor(browser.new_context(storage_state=state, **options), at)
        visitors.append(visitor)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        visitor.check()


@pytest.fixture
def operator(visit: Visit) -> Visitor:
    """An operator's browser."""
    return visit()


@pytest.fixture
def page(operator: Visitor) -> Page:
    """A page in an operator's browser."""
    return operator.page
