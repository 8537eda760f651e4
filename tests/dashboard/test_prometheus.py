"""A real Prometheus scrapes the dashboard and evaluates the alerts of `contrib/`."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from support.server import ROOT, Server, free_port
from support.wait import until_sync

from .programs import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METRICS_TOKEN = "a-token-for-the-metrics"  # noqa: S105


class Prometheus:
    """A Prometheus that scrapes one dashboard each second."""

    def __init__(self, folder: Path, target: str) -> None:
        binary = shutil.which("prometheus")
        if binary is None:
            pytest.skip("Prometheus is not installed (on Debian: apt-get install prometheus)")
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "contrib/prometheus/rules.yml")],
            "scrape_configs": [
                {
                    "job_name": "ratelog",
                    "authorization": {"credentials": METRICS_TOKEN},
                    "static_configs": [{"targets": [target]}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(configuration))
        self._log = (folder / "log").open("wb")
        # Another program may take a free port first.
        for _ in range(3):
            self._port = free_port()
            arguments = [
                binary,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ]
            self._process = subprocess.Popen(arguments, stdout=self._log, stderr=self._log)
            until_sync("Prometheus responds or exits", lambda: self._responds() or self._process.poll() is not None)
            if self._process.poll() is None:
                break
        assert self._process.poll() is None, (folder / "log").read_text()

    def query(self, query: str) -> list[dict[str, Any]]:
        """The result of a query: its labels, and its value."""
        response = self._get("query?" + urllib.parse.urlencode({"query": query}))
        return [row["metric"] | {"value": float(row["value"][1])} for row in response["data"]["result"]]

    def values(self, query: str) -> list[float]:
        """The values in the result of a query."""
        return [row["value"] for row in self.query(query)]

    def problems_of_rules(self) -> list[str]:
        """The errors of the rules, which have been evaluated."""
        groups = self._get("rules")["data"]["groups"]
        return [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def _responds(self) -> bool:
        try:
            self.query("vector(1)")
        except OSError:
            return False
        return True


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[tuple[Server, Prometheus]]:
    """A server, and a Prometheus that scrapes its dashboard."""
    with contextlib.ExitStack() as stack:
        server = Server()
        stack.callback(server.close)
        dashboard = Dashboard(server.url, "--metrics-token", METRICS_TOKEN)
        stack.callback(dashboard.close)
        prometheus = Prometheus(tmp_path, f"127.0.0.1:{dashboard.port}")
        stack.callback(prometheus.stop)
        yield server, prometheus


def test_prometheus_scrapes_the_counts_and_evaluates_the_rules(scraped: tuple[Server, Prometheus]) -> None:
    server, prometheus = scraped
    db = server.db()
    db.execute_command("RL.POLICY", "SET", "api", 2, "1h")
    for _ in range(5):
        db.execute_command("RL.CHECK", "user:1", "POLICY", "api")

    def counts() -> dict[str, float]:
        rows = prometheus.query('ratelog_checks_total{policy="api"}')
        return {row["result"]: row["value"] for row in rows}

    until_sync("the counts are scraped", lambda: counts() == {"allowed": 2, "denied": 3, "shadow_denied": 0})
    until_sync("the node is up", lambda: prometheus.values("ratelog_up") == [1])
    until_sync("the dashboard is up", lambda: prometheus.values('up{job="ratelog"}') == [1])
    until_sync("the rules are evaluated", lambda: len(prometheus.query('{__name__=~".+:ratelog_.+"}')) > 0)
    assert prometheus.problems_of_rules() == []


def test_a_lost_node_is_a_pending_alert(scraped: tuple[Server, Prometheus]) -> None:
    server, prometheus = scraped
    until_sync("the node is up", lambda: prometheus.values("ratelog_up") == [1])
    server.kill()
    until_sync("the node is down", lambda: prometheus.values("ratelog_up") == [0])
    until_sync(
        "the alert waits for its time",
        lambda: any(row["alertname"] == "RatelogNodeDown" for row in prometheus.query('ALERTS{alertstate="pending"}')),
    )
