"""Every page and form works without JavaScript."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from .programs import PASSWORDS
from .scene import DIFF_OF_IMPORT, deny, fill, open_every_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from .browsing import Visitor
    from .conftest import Visit
    from .programs import Dashboard


@pytest.fixture
def plain(visit: Visit) -> Visitor:
    """An operator's browser without JavaScript."""
    return visit(java_script_enabled=False)


def test_every_page_has_its_content(db: Any, plain: Visitor) -> None:
    fill(db)

    def check(path: str) -> None:
        expect(plain.page.get_by_role("heading", level=1)).to_be_visible()
        assert plain.page.locator("main").inner_text().strip().count("\n") > 0, path

    open_every_page(plain, check)


def test_live_pages_are_loaded_again(db: Any, plain: Visitor) -> None:
    plain.goto("/keys")
    deny(db, "victim")
    expect(plain.page.get_by_role("link", name="victim").first).to_be_visible()


def test_a_password_signs_in(start: Callable[..., Dashboard], visit: Visit) -> None:
    visitor = visit(role=None, at=start(), java_script_enabled=False)
    page = visitor.page
    visitor.goto("/nodes")
    page.get_by_label("Password").fill(PASSWORDS["operator"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("Nodes · Ratelog")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_keys_are_searched_explained_and_changed(db: Any, plain: Visitor) -> None:
    page = plain.page
    for _ in range(3):
        db.execute_command("RL.CHECK", "user:1", 3, "1h")
    plain.goto("/keys")
    page.get_by_role("searchbox").fill("user:")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="user:1").click()
    page.get_by_label("Policy or rules").fill("3/hour")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".decision")).to_contain_text(
        re.compile("Denied by the rules. It will be allowed in (1 h|59 min)")
    )
    page.get_by_role("button", name="Refund").click()
    expect(page.locator("p[role=status]")).to_have_text("1 unit is taken back.")
    page.get_by_role("button", name="Set override").click()
    expect(page.locator("p[role=status]")).to_contain_text("The override is set: allow")
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("p[role=status]")).to_have_text("2 units are forgotten.")
    page.get_by_role("button", name="Remove override").click()
    expect(page.locator("p[role=status]")).to_have_text("The override is removed.")


def test_another_limit_is_tried(db: Any, plain: Visitor) -> None:
    page = plain.page
    for _ in range(5):
        db.execute_command("RL.CHECK", "user:1", 5, "1h")
    plain.goto("/keys/user:1")
    page.locator("input[type=number][name=limit]").fill("2")
    page.locator("input[type=number][name=window]").fill("3600")
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".what-if output")).to_contain_text("3 of 5 units would have been denied")


def test_overrides_are_added_and_removed(db: Any, plain: Visitor) -> None:
    page = plain.page
    plain.goto("/overrides")
    for key in ["user:1", "user:2", "user:3"]:
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_label("Override").select_option("deny")
        page.get_by_role("button", name="Set override").click()
        expect(page.locator("p[role=status]")).to_contain_text(f"The override of {key} is set: deny")
    for key in ["user:1", "user:3"]:
        page.get_by_role("checkbox", name=f"Choose {key}").check()
    page.get_by_role("button", name="Remove chosen…").click()
    expect(page.locator(".results a")).to_have_text(["user:1", "user:3"])
    page.get_by_role("button", name="Remove 2 overrides").click()
    expect(page.locator("p[role=status]")).to_have_text("2 overrides are removed.")
    expect(page.locator("tbody a")).to_have_text(["user:2"])


def test_policies_are_changed_and_imported(db: Any, plain: Visitor) -> None:
    page = plain.page
    plain.goto("/policy?name=api")
    page.get_by_label("Rules").fill("7/minute")
    page.get_by_role("button", name="Show change").click()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policy api is stored")
    page.get_by_role("button", name="Enforce trial").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policy trial is stored")
    page.get_by_label("JSON").fill(DIFF_OF_IMPORT)
    page.get_by_role("button", name="Show changes").click()
    page.get_by_role("button", name="Apply 3 changes").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policies are imported")
    plain.goto("/policy?name=new")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policy new is deleted")
    document = json.loads(db.execute_command("RL.POLICY", "EXPORT"))
    assert [policy["name"] for policy in document["policies"]] == ["api"]
