"""A viewer looks, and changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from .scene import PATHS, fill

if TYPE_CHECKING:
    from .conftest import Visit
    from .programs import Dashboard

_FORMS = [
    ("/keys/user:1/reset", ""),
    ("/keys/user:1/refund", "units=1"),
    ("/keys/user:1/override", "action=allow&ttl="),
    ("/keys/partner:1/override/delete", ""),
    ("/overrides", "key=user:1&action=allow&ttl="),
    ("/overrides/delete", "key=partner:1&confirm=true"),
    ("/policies", "name=api&rules=1/second&mode=enforce"),
    ("/policies/delete", "name=api"),
    ("/policies/import", "json={}&apply=true"),
    ("/policies/make-equal", "source=x"),
]


def test_a_viewer_sees_every_page_and_no_action(db: Any, visit: Visit) -> None:
    fill(db)
    viewer = visit(role="viewer")
    for path in PATHS:
        viewer.goto(path)
        forms = viewer.page.locator("form[method=post]")
        actions = [form.get_attribute("action") for form in forms.all()]
        assert actions == (["/login"] if path == "/login" else ["/logout"]), path
        expect(viewer.page.locator(".session").or_(viewer.page.locator("main.login"))).to_be_visible()


@pytest.mark.parametrize(("path", "body"), _FORMS, ids=[path for path, _ in _FORMS])
def test_a_viewer_is_refused(db: Any, dashboard: Dashboard, visit: Visit, path: str, body: str) -> None:
    fill(db)
    policies = db.execute_command("RL.POLICY", "EXPORT")
    keys = {key: db.dump(key) for key in ["user:1", "partner:1"]}
    viewer = visit(role="viewer")
    viewer.allow_status(403)
    page = viewer.page
    viewer.goto("/overview")
    page.evaluate(
        """([path, body]) => {
            const form = document.createElement("form");
            form.method = "post";
            form.action = path;
            for (const [name, value] of new URLSearchParams(body)) {
                const field = document.createElement("input");
                field.name = name;
                field.value = value;
                form.append(field);
            }
            document.body.append(form);
            form.submit();
        }""",
        [path, body],
    )
    expect(page.get_by_role("alert")).to_contain_text("viewer is a viewer: sign in as an operator to make changes.")
    assert db.execute_command("RL.POLICY", "EXPORT") == policies
    assert {key: db.dump(key) for key in keys} == keys
    refused = f'a change by a viewer is refused user="viewer" address=127.0.0.1 method=POST path="{path}"'
    assert refused in re.sub(r"\x1b\[\d*m", "", dashboard.log)
