"""A browser's session, and what it must be free of."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest

from support.wait import TIMEOUT

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

    from .programs import Dashboard

# The browser writes violations of the content security policy on the console; this is a second way.
_REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))"""


class Visitor:
    """A browser's session with one page at a dashboard."""

    def __init__(self, context: BrowserContext, dashboard: Dashboard) -> None:
        self.context = context
        self.dashboard = dashboard
        self.faults: list[str] = []
        self.questions: list[str] = []
        self.accepts = True
        self._allowed: list[str] = []
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failed_request)
        context.on("dialog", self._on_dialog)
        # Actions wait for as long as expectations.
        context.set_default_timeout(TIMEOUT * 1000)
        self.page = context.new_page()

    def goto(self, path: str, *, live: bool = False) -> None:
        """Opens a page of the dashboard. With `live`, waits until its events flow."""
        with self.page.expect_response("**/live/*") if live else contextlib.nullcontext():
            self.page.goto(self.dashboard.url(path))

    def allow(self, pattern: str) -> None:
        """Allows faults that match, of which there has to be one."""
        self._allowed.append(pattern)

    def allow_status(self, status: int) -> None:
        """Allows responses with this status, of which there has to be one."""
        self.allow(f"^response: {status} ")
        self.allow(f"^console: Failed to load resource: .* status of {status} ")

    def check(self) -> None:
        """Fails if the pages had a fault that is not allowed."""
        faults = [fault for fault in self.faults if not any(re.search(allowed, fault) for allowed in self._allowed)]
        if faults:
            pytest.fail("\n".join(faults))
        missing = [allowed for allowed in self._allowed if not any(re.search(allowed, fault) for fault in self.faults)]
        if missing:
            pytest.fail(f"no fault matches {missing}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_error(self, error: WebError) -> None:
        self.faults.append(f"page: {error.error}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"response: {response.status} {response.request.method} {response.url}")

    def _on_failed_request(self, request: Request) -> None:
        # A page that is left ends its requests.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"request: {request.failure} {request.url}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.questions.append(dialog.message)
        if self.accepts:
            dialog.accept()
        else:
            dialog.dismiss()
