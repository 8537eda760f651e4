"""The page of a key, and the search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from support.wait import until_sync

from .scene import HOSTILE_KEYS, LONG_KEY, deny, key_path, shown
from .traffic import Traffic

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from support.server import Server

    from .browsing import Visitor


def is_allowed(db: Any, key: str | bytes, *rules: str) -> bool:
    """Whether a check passes."""
    return bool(db.execute_command("RL.CHECK", key, *rules)[0])


def notice(page: Page) -> Any:
    """The outcome of the last action."""
    return expect(page.locator("p[role=status]"))


def test_an_override_makes_the_next_check_pass(db: Any, operator: Visitor) -> None:
    page = operator.page
    assert is_allowed(db, "user:1", "1", "1h")
    assert not is_allowed(db, "user:1", "1", "1h")
    operator.goto("/keys/user:1?rules=1/hour")
    expect(page.locator(".decision")).to_contain_text("Denied by the rules.")
    page.get_by_role("button", name="Set override").click()
    notice(page).to_contain_text("The override is set: allow")
    assert is_allowed(db, "user:1", "1", "1h")
    expect(page.locator(".facts")).to_contain_text("allow, ends in")

    operator.goto("/keys/user:1?rules=1/hour")
    expect(page.locator(".decision")).to_contain_text("Allowed by the override.")
    page.get_by_role("button", name="Remove override").click()
    notice(page).to_have_text("The override is removed.")
    assert operator.questions == ["Remove the override of this key?"]
    assert not is_allowed(db, "user:1", "1", "1h")


def test_an_override_denies_or_has_other_rules(db: Any, operator: Visitor) -> None:
    page = operator.page
    operator.goto("/keys/user:1")
    page.get_by_label("Override").select_option("deny")
    page.get_by_label("Ends after").select_option("never")
    page.get_by_role("button", name="Set override").click()
    notice(page).to_contain_text("The override is set: deny")
    expect(page.locator(".facts")).to_contain_text("deny, without an end")
    assert not is_allowed(db, "user:1", "1000", "1h")
    page.get_by_label("Override").select_option("other rules")
    page.get_by_label("Rules", exact=True).fill("2/hour; 5/day")
    page.get_by_role("button", name="Change override").click()
    notice(page).to_contain_text("The override is set: limit 2/hour; 5/day")
    assert [is_allowed(db, "user:1", "1000", "1h") for _ in range(3)] == [True, True, False]
    page.get_by_label("Override").select_option("other rules")
    page.get_by_label("Rules", exact=True).fill("many")
    page.get_by_role("button", name="Change override").click()
    notice(page).to_contain_text("Invalid request")


def test_units_are_taken_back_and_forgotten(server: Server, db: Any, operator: Visitor) -> None:
    page = operator.page
    db.execute_command("RL.CHECK", "user:1", 10, "1h", "COST", 7)
    operator.goto("/keys/user:1")
    page.get_by_label("Units").fill("3")
    page.get_by_role("button", name="Refund").click()
    notice(page).to_have_text("3 units are taken back.")
    assert server.units("user:1") == 4
    page.get_by_role("button", name="Reset").click()
    notice(page).to_have_text("4 units are forgotten.")
    expect(page.get_by_text("The key does not exist")).to_be_visible()
    assert db.exists("user:1") == 0


def test_a_notice_is_shown_once(operator: Visitor) -> None:
    page = operator.page
    operator.goto("/keys/user:1")
    page.get_by_role("button", name="Set override").click()
    notice(page).to_be_visible()
    page.reload()
    notice(page).to_have_count(0)


def test_the_next_check_is_explained(db: Any, operator: Visitor) -> None:
    page = operator.page
    for _ in range(5):
        db.execute_command("RL.CHECK", "user:1", 5, "1h", 1000, "1d")
    operator.goto("/keys/user:1")
    page.get_by_label("Policy or rules").fill("5/hour; 1000/day")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".decision")).to_contain_text("It will be allowed in 59 min")
    rows = page.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("5 in 1h (decides)")
    expect(rows.nth(1)).to_contain_text("995")
    expect(page.get_by_role("meter")).to_have_count(2)
    expect(page.get_by_label("Limit", exact=True).first).to_have_value("5")
    expect(page.get_by_label("Window, in seconds")).to_have_value("3600")


def test_a_countdown_counts(db: Any, operator: Visitor) -> None:
    page = operator.page
    db.execute_command("RL.OVERRIDE", "SET", "user:1", "ALLOW", "EX", 3590)
    db.execute_command("RL.CHECK", "user:2", 1, "2s")
    operator.goto("/overrides")
    countdown = page.locator("td .countdown")
    first = countdown.inner_text()
    assert re.fullmatch(r"5\d min( \d+ s)?", first), first
    expect(countdown).not_to_have_text(first)
    expect(countdown).to_have_text(re.compile(r"^5\d min( \d+ s)?$"))
    operator.goto("/keys/user:2?rules=1/2s")
    expect(page.locator(".decision .countdown").or_(page.locator(".decision.good")).first).to_be_visible()

    def is_denied() -> bool:
        db.execute_command("RL.CHECK", "user:3", 1, "5s")
        operator.goto("/keys/user:3?rules=1/5s")
        return page.locator(".decision .countdown").is_visible()

    until_sync("the page counts a denial down", is_denied)
    expect(page.locator(".decision .countdown")).to_have_text("0 s")


def test_a_countdown_does_not_use_the_clock_of_the_browser(db: Any, operator: Visitor) -> None:
    operator.context.add_init_script("const now = Date.now; Date.now = () => now() + 600_000;")
    db.execute_command("RL.OVERRIDE", "SET", "user:1", "ALLOW", "EX", 3590)
    operator.goto("/overrides")
    countdown = operator.page.locator("td .countdown")
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)
    expect(countdown).to_have_text(re.compile(r"^5\d min( \d+ s)?$"))


def test_a_chart_of_many_instants_begins_where_it_is_right(db: Any, operator: Visitor) -> None:
    page = operator.page
    db.execute_command("RL.CHECK", "user:1", 5, "1h")
    hits = [{"at_ms": 1_000_000 - 10 * index, "units": 2} for index in range(1000)]
    page.route("**/keys/user:1/hits", lambda route: route.fulfill(json=hits))
    operator.goto("/keys/user:1?rules=5/hour")
    expect(page.locator("[data-partial]")).to_be_visible()
    page.get_by_label("Window, in seconds").fill("1")
    expect(page.locator("[data-partial]")).to_be_hidden()
    script = """async ([hits, window, end]) => {
        const { usageOfPage } = await import(`${document.body.dataset.base}/assets/charts.js`);
        const { steps: [times, used], isPartial } = usageOfPage(hits, window, end);
        return [times[0], used[0], times.at(-1), used.at(-1), isPartial];
    }"""
    assert page.evaluate(script, [hits, 1_000]) == [991.01, 200, 1001, 0, False]
    assert page.evaluate(script, [hits, 3_600_000]) == [990.01, 2, 4600, 0, True]
    assert page.evaluate(script, [hits[:-1], 1_000]) == [990.02, 2, 1001, 0, False]
    # Of an older page, the units that follow are not known.
    assert page.evaluate(script, [hits[:-1], 1_000, 1_000_010]) == [990.02, 2, 1000, 200, False]


def test_keys_are_found_by_prefix_and_by_pattern(db: Any, operator: Visitor) -> None:
    page = operator.page
    for key in ["user:1:search", "user:2:search", "user:2:login", "job"]:
        db.execute_command("RL.CHECK", key, 5, "1h")
    operator.goto("/keys")
    results = page.locator(".results a")
    for pattern, keys in [
        ("user:2", ["user:2:login", "user:2:search"]),
        ("user:*:search", ["user:1:search", "user:2:search"]),
    ]:
        page.get_by_role("searchbox").fill(pattern)
        page.get_by_role("button", name="Search").click()
        expect(results).to_have_text(keys)
        expect(page.get_by_role("searchbox")).to_have_value(pattern)
    page.get_by_role("searchbox").fill("nobody")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_text("No key matches.")).to_be_visible()
    page.go_back()
    results.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("user:1:search")


def count_denied(hits: list[tuple[int, int]], limit: int, window_ms: int) -> int:
    """The units that a limit would have denied, one after the other."""
    allowed: list[int] = []
    denied = 0
    for at, units in hits:
        for _ in range(units):
            if sum(at - window_ms < other for other in allowed) < limit:
                allowed.append(at)
            else:
                denied += 1
    return denied


def test_what_if_agrees_with_a_naive_count(server: Server, db: Any, operator: Visitor) -> None:
    page = operator.page

    def hits() -> list[tuple[int, int]]:
        return [(at, units) for at, units in reversed(db.execute_command("RL.HITS", "user:1"))]

    with Traffic(server, [("user:1", "100000", "1h", "COST", str(cost)) for cost in [1, 3, 2, 1, 1, 5]], rate=50):
        until_sync("the units are some seconds apart", lambda: len(hits()) > 1 and hits()[-1][0] - hits()[0][0] > 3500)
    recorded = hits()
    total = sum(units for _, units in recorded)
    operator.goto("/keys/user:1")
    limit, window = page.locator("input[type=number][name=limit]"), page.locator("input[type=number][name=window]")
    output = page.locator(".what-if output")

    def agrees() -> int:
        denied = count_denied(recorded, int(limit.input_value()), int(window.input_value()) * 1000)
        count = f"{denied} of {total}" if denied else f"None of {total}"
        expect(output).to_have_text(re.compile(f"^{count} units would have been denied"))
        return denied

    found = set()
    for values in [(0, 1), (1, 1), (37, 1), (60, 2), (100, 3), (total - 1, 60), (total, 60)]:
        limit.fill(str(values[0]))
        window.fill(str(values[1]))
        found.add(agrees())
    # How many units are in a window depends on the speed of the machine.
    assert {0, 1, total} < found
    # The sliders set the same fields.
    limit.fill("40")
    for slider in page.get_by_role("slider").all():
        before = limit.input_value(), window.input_value()
        slider.focus()
        for _ in range(30):
            slider.press("ArrowLeft")
        assert (limit.input_value(), window.input_value()) != before
        agrees()


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: repr(key[:20]))
def test_a_hostile_key_is_shown_and_never_run(db: Any, operator: Visitor, key: bytes) -> None:
    page = operator.page
    deny(db, key)
    text = shown(key)
    # A list of the heaviest keys shortens a long key, so that it cannot be opened there.
    for path in ["/keys", "/overview", "/keys?match=*"] if key != LONG_KEY else ["/keys?match=*"]:
        operator.goto(path)
        # Playwright compares texts without the space around them.
        link = page.locator(f"main a[href='{key_path(key)}']").first
        expect(link).to_be_visible()
        expect(link).to_contain_text(text)
    link.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(text)
    page.get_by_label("Override").select_option("deny")
    page.get_by_role("button", name="Set override").click()
    notice(page).to_contain_text("The override is set: deny")
    assert db.execute_command("RL.OVERRIDE", "GET", key)
    for path in ["/overrides", "/audit"]:
        operator.goto(path)
        expect(page.locator(f"main a[href='{key_path(key)}']").first).to_contain_text(text)
    operator.goto("/overrides")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Remove chosen…").click()
    page.get_by_role("button", name="Remove 1 override").click()
    notice(page).to_have_text("1 override is removed.")
    assert not db.execute_command("RL.OVERRIDE", "GET", key)
    assert operator.questions == []
