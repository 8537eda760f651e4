"""Keys of the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .browsing import Visitor


@pytest.mark.parametrize(
    ("key", "title"),
    [("o", "Overview"), ("k", "Keys"), ("p", "Policies"), ("v", "Overrides"), ("n", "Nodes"), ("a", "Audit")],
)
def test_g_and_a_letter_open_a_page(operator: Visitor, key: str, title: str) -> None:
    operator.goto("/keys/user:1")
    operator.page.keyboard.press("g")
    operator.page.keyboard.press(key)
    expect(operator.page).to_have_title(f"{title} · Ratelog")


def test_a_slash_searches(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page).to_have_title("Keys · Ratelog")
    page.keyboard.type("g/k?")
    expect(page.get_by_role("searchbox")).to_have_value("g/k?")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_question_mark_shows_the_help(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_hidden()
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Search for keys")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("?")
    page.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_a_key_counts_although_a_closed_dialog_has_the_focus(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    # The browser moves the focus out of a closed dialog when it draws next, which is after this.
    page.get_by_role("dialog", name="Keyboard", include_hidden=True).evaluate("""(dialog) => {
        dialog.querySelector("button").dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true }));
    }""")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_keys_with_control_and_other_letters_do_nothing(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/overview")
    for key in ["g", "x", "k", "Control+?", "g", "Control+k"]:
        page.keyboard.press(key)
    expect(page).to_have_title("Overview · Ratelog")
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page).to_have_title("Policies · Ratelog")


def test_the_first_stop_of_the_tabulator_skips_the_navigation(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("main :focus")).to_have_count(1)
