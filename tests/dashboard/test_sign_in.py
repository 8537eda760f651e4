"""Signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.wait import until_sync

from .programs import PASSWORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from .conftest import Visit
    from .programs import Dashboard

    Start = Callable[..., Dashboard]


def _expect_what_if(page: Page) -> None:
    """Waits for the last request of a key's page, which needs the session."""
    expect(page.locator(".what-if output")).not_to_be_empty()


def test_the_link_on_the_terminal_signs_in_once(start: Start, visit: Visit) -> None:
    dashboard = start(passwords=False)
    visitor = visit(role=None, at=dashboard)
    visitor.goto("/keys")
    expect(visitor.page.get_by_text("Open the link")).to_be_visible()
    link = dashboard.link()
    visitor.page.goto(link)
    expect(visitor.page).to_have_title("Overview · Ratelog")
    visitor.goto("/keys")
    expect(visitor.page).to_have_title("Keys · Ratelog")
    until_sync("the next link is printed", lambda: dashboard.link() != link)

    other = visit(role=None, at=dashboard)
    other.allow_status(400)
    other.page.goto(link)
    expect(other.page.get_by_role("alert")).to_contain_text("This link has been used")
    other.page.goto(dashboard.link())
    expect(other.page).to_have_title("Overview · Ratelog")


@pytest.mark.parametrize("role", PASSWORDS)
def test_a_password_signs_in_and_leads_to_the_page_that_was_asked_for(start: Start, visit: Visit, role: str) -> None:
    visitor = visit(role=None, at=start())
    page = visitor.page
    visitor.goto("/keys/user:1?rules=api")
    page.get_by_label("User").select_option(role)
    page.get_by_label("Password").fill(PASSWORDS[role])
    page.get_by_label("Password").press("Enter")
    expect(page).to_have_url(visitor.dashboard.url("/keys/user:1?rules=api"))
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator(".session")).to_contain_text("(viewer)" if role == "viewer" else "operator")
    _expect_what_if(page)

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(visitor.dashboard.url("/login"))
    visitor.goto("/overview")
    expect(page.get_by_label("Password")).to_be_visible()


def test_forms_work_over_plain_http(start: Start, visit: Visit) -> None:
    """There, browsers send no `Sec-Fetch-Site`."""
    dashboard = start()
    page = visit(role=None, at=dashboard).page
    page.goto(dashboard.url("/policies", host="dashboard.test"))
    page.get_by_label("Password").fill(PASSWORDS["operator"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(dashboard.url("/policies", host="dashboard.test"))
    page.get_by_role("button", name="Enforce trial").click()
    expect(page.get_by_text("The policy trial is stored, on 1 of 1 nodes.")).to_be_visible()


def test_a_form_after_the_end_of_the_session_leads_back_to_its_page(start: Start, visit: Visit) -> None:
    visitor = visit(role=None, at=start())
    page = visitor.page
    visitor.goto("/keys/user:1")
    page.get_by_label("Password").fill(PASSWORDS["operator"])
    page.get_by_role("button", name="Sign in").click()
    _expect_what_if(page)
    visitor.context.clear_cookies()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_role("alert")).to_have_text("The change was not made: sign in and repeat it.")
    page.get_by_label("Password").fill(PASSWORDS["operator"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(visitor.dashboard.url("/keys/user:1"))


def test_a_wrong_password_is_refused(start: Start, visit: Visit) -> None:
    visitor = visit(role=None, at=start())
    visitor.allow_status(401)
    page = visitor.page
    visitor.goto("/login")
    page.get_by_label("Password").fill(PASSWORDS["viewer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    visitor.goto("/overview")
    expect(page.get_by_label("Password")).to_be_visible()
