"""Policies: changes, and documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from .conftest import POLICIES
from .scene import DIFF_OF_IMPORT

if TYPE_CHECKING:
    from .browsing import Visitor


def stored(db: Any) -> dict[str, Any]:
    """The policies of the server."""
    document = json.loads(db.execute_command("RL.POLICY", "EXPORT"))
    return {policy["name"]: policy for policy in document["policies"]}


def test_a_policy_is_created(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    page.get_by_label("Name").fill("search")
    page.get_by_label("Rules").fill("7/minute; 100/hour")
    page.get_by_label("Mode").select_option("shadow")
    page.get_by_role("button", name="Show change", exact=True).click()
    expect(page.locator(".diff tbody tr")).to_contain_text(["search"])
    expect(page.locator("ins")).to_have_text("shadow: 7/minute; 100/hour")
    assert "search" not in stored(db)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("p[role=status]")).to_have_text("The policy search is stored, on 1 of 1 nodes.")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="search"))
    expect(row).to_contain_text("7/minute; 100/hour")
    assert stored(db)["search"]["shadow"] is True


def test_a_policy_is_edited_with_a_diff_and_a_what_if(db: Any, operator: Visitor) -> None:
    page = operator.page
    for _ in range(5):
        db.execute_command("RL.CHECK", "user:1", "POLICY", "api")
    operator.goto("/policies")
    page.get_by_role("link", name="api", exact=True).click()
    page.get_by_label("Rules").fill("2/minute")
    page.get_by_role("button", name="Show change").click()
    expect(page.locator("del")).to_have_text("5/10s; 1000/hour")
    expect(page.locator("ins")).to_have_text("2/minute")
    page.get_by_label("Keys").fill("user:")
    page.get_by_role("button", name="Try on these keys").click()
    expect(page.get_by_text("3 of 5 units would have been denied.")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("p[role=status]")).to_have_text("The policy api is stored, on 1 of 1 nodes.")
    assert [(rule["limit"], rule["window"]) for rule in stored(db)["api"]["rules"]] == [(2, "1m")]

    operator.goto("/audit")
    row = page.locator("tbody tr").first
    for text in ["operator", "api", "5/10s; 1000/hour", "2/minute", "done"]:
        expect(row).to_contain_text(text)


def test_a_policy_is_enforced_and_no_longer(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    for name, button in [("trial", "Enforce trial"), ("api", "Shadow api")]:
        page.get_by_role("button", name=button).click()
        expect(page.locator("p[role=status]")).to_contain_text(f"The policy {name} is stored")
    assert operator.questions == ["Enforce trial?", "Stop enforcing api?"]
    assert [stored(db)[name].get("shadow", False) for name in ["trial", "api"]] == [False, True]


def test_a_policy_is_deleted(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policy?name=login")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("p[role=status]")).to_have_text("The policy login is deleted, on 1 of 1 nodes.")
    assert operator.questions == ["Delete the policy login? Checks that name it then fail."]
    assert set(stored(db)) == {"api", "trial"}


def test_a_question_that_is_answered_with_no_changes_nothing(db: Any, operator: Visitor) -> None:
    operator.accepts = False
    operator.goto("/policy?name=login")
    operator.page.get_by_role("button", name="Delete").click()
    operator.goto("/policies")
    assert operator.questions == ["Delete the policy login? Checks that name it then fail."]
    assert "login" in stored(db)


def test_a_form_asks_before_the_other_scripts_have_arrived(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.allow("ERR_FAILED.*app.js")
    page.route("**/app.js", lambda route: route.abort())
    operator.accepts = False
    operator.goto("/policy?name=login")
    page.get_by_role("button", name="Delete").click()
    operator.goto("/policies")
    assert operator.questions == ["Delete the policy login? Checks that name it then fail."]
    assert "login" in stored(db)


def test_an_import_shows_its_changes_before_it_makes_them(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    page.get_by_label("JSON").fill(DIFF_OF_IMPORT)
    page.get_by_role("button", name="Show changes").click()
    expect(page.locator(".diff tbody tr")).to_have_count(4)
    rows = [row.inner_text().split("\t") for row in page.locator(".diff tbody tr").all()]
    assert rows == [
        ["api", "5/10s; 1000/hour", "7/minute"],
        ["login", "3/hour", "none"],
        ["new", "none", "1/second"],
        ["trial", "shadow: 2/hour", "none"],
    ]
    assert set(stored(db)) == {"api", "login", "trial"}
    page.get_by_role("button", name="Apply 4 changes").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policies are imported")
    assert set(stored(db)) == {"api", "new"}


def test_an_import_that_is_wrong_or_changes_nothing_says_so(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/policies")
    page.get_by_label("JSON").fill(POLICIES)
    page.get_by_role("button", name="Show changes").click()
    expect(page.get_by_text("nothing would change")).to_be_visible()
    operator.allow_status(400)
    operator.goto("/policies")
    page.get_by_label("JSON").fill('{"policies":[{"name":"<b>bold</b>","rules":[]}]}')
    page.get_by_role("button", name="Show changes").click()
    expect(page.get_by_role("alert")).to_contain_text("<b>bold</b>")
    expect(page.get_by_role("navigation")).to_be_visible()
    assert set(stored(db)) == {"api", "login", "trial"}


def test_an_export_can_be_imported(db: Any, operator: Visitor) -> None:
    page = operator.page
    before = stored(db)
    operator.goto("/policies")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    assert download.value.suggested_filename == "policies.json"
    document = Path(download.value.path()).read_text()
    db.execute_command("RL.POLICY", "IMPORT", '{"policies":[]}')
    operator.goto("/policies")
    expect(page.get_by_text("There are no policies.")).to_be_visible()
    page.get_by_label("JSON").fill(document)
    page.get_by_role("button", name="Show changes").click()
    page.get_by_role("button", name="Apply 3 changes").click()
    expect(page.locator("p[role=status]")).to_contain_text("The policies are imported")
    assert stored(db) == before


def test_a_hostile_name_is_refused_and_never_run(operator: Visitor) -> None:
    page = operator.page
    operator.allow_status(400)
    hostile = "<script>alert(1)</script>"
    operator.goto("/policies")
    page.get_by_label("Name").fill(hostile)
    page.get_by_label("Rules").fill("1/second")
    page.get_by_role("button", name="Show change", exact=True).click()
    # The browser refuses to send the form.
    expect(page).to_have_title("Policies · Ratelog")
    page.get_by_label("Name").evaluate("(field) => field.removeAttribute('pattern')")
    page.get_by_role("button", name="Show change", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("a policy's name is")
    operator.goto(f"/policy?name={hostile}")
    expect(page.get_by_role("alert")).to_contain_text("a policy's name is")
    operator.goto(f"/policies/preview?name=api&mode=enforce&rules={hostile}")
    expect(page.get_by_role("alert")).to_contain_text(hostile)
    assert operator.questions == []
