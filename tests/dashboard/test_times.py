"""Instants."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import Visit

_KATHMANDU = datetime.timezone(datetime.timedelta(hours=5, minutes=45))


def test_times_are_in_the_browsers_zone_and_exact_on_hover(db: Any, visit: Visit) -> None:
    db.execute_command("RL.CHECK", "user:1", 5, "1h")
    ((unix_ms, _),) = db.execute_command("RL.HITS", "user:1")
    utc = datetime.datetime.fromtimestamp(unix_ms / 1000, datetime.timezone.utc)
    exact = utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{unix_ms % 1000:03}Z"

    visitor = visit(timezone_id="Asia/Kathmandu", locale="de-DE")
    visitor.goto("/keys/user:1")
    local = utc.astimezone(_KATHMANDU)
    for time in visitor.page.locator("time").all():
        expect(time).to_have_text(f"{local:%d.%m.%Y, %H:%M:%S}")
        expect(time).to_have_attribute("title", exact)
        expect(time).to_have_attribute("datetime", exact)
    expect(visitor.page.locator("time")).to_have_count(3)
    visitor.page.get_by_label("Limit", exact=True).first.fill("0")
    denied = f"the first at {local:%d.%m.%Y, %H:%M:%S}"
    expect(visitor.page.locator(".what-if output")).to_contain_text(denied)

    plain = visit(java_script_enabled=False)
    plain.goto("/keys/user:1")
    expect(plain.page.locator("time").first).to_have_text(f"{utc:%Y-%m-%d %H:%M:%S} UTC")
    expect(plain.page.locator("time").first).to_have_attribute("title", exact)


def test_the_legend_of_a_chart_is_in_the_browsers_zone(db: Any, visit: Visit) -> None:
    db.execute_command("RL.CHECK", "user:1", 5, "1m")
    ((unix_ms, _),) = db.execute_command("RL.HITS", "user:1")
    end = datetime.datetime.fromtimestamp(unix_ms / 1000 + 60, _KATHMANDU)
    visitor = visit(timezone_id="Asia/Kathmandu", locale="de-DE")
    visitor.goto("/keys/user:1?rules=5/minute")
    expect(visitor.page.locator(".u-legend .u-value").first).to_have_text(f"{end:%d.%m.%Y, %H:%M:%S}")
