"""The alerts and the Grafana board use metrics of `contrib/metrics.txt` only, and all of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.server import ROOT

from .programs import CONTRIB, promtool

if TYPE_CHECKING:
    from pathlib import Path

_README = (CONTRIB / "README.md").read_text()
_OPERATIONS = (ROOT / "docs/operations.md").read_text()
_RULES = (CONTRIB / "prometheus/rules.yml").read_text()
_RULES_TEST = (CONTRIB / "prometheus/rules_test.yml").read_text()
_BOARD = json.loads((CONTRIB / "grafana/ratelog.json").read_text())
_LINES = [line for line in (CONTRIB / "metrics.txt").read_text().splitlines() if not line.startswith("#")]

METRICS = {
    name: set() if labels == "-" else set(labels.split(",")) for name, _, labels, _ in (s.split(" ", 3) for s in _LINES)
}
"""The labels of each metric."""
# Prometheus adds these.
TARGET = {"job", "instance"}
LABELS = set[str]().union(TARGET, *METRICS.values())

_RECORDED = set(re.findall(r"record: (\S+)", _RULES))
_ALERTS = re.findall(r"alert: (\S+)", _RULES)


def panels() -> list[dict[str, Any]]:
    """The panels, without the headings of rows."""
    return [panel for panel in _BOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """The expressions of all panels and variables."""
    variables = [variable["query"]["query"] for variable in _BOARD["templating"]["list"] if variable["type"] == "query"]
    return variables + [target["expr"] for panel in panels() for target in panel["targets"]]


def names(text: str) -> set[str]:
    """The metrics that a text with expressions uses, recorded ones included."""
    return set(re.findall(r"\b(?:[a-z_]+:)?ratelog_[a-z_]+(?::\w+)*", text))


def unknown_labels(text: str) -> set[tuple[str, str]]:
    """The selectors and groupings in a text with expressions whose labels do not exist."""
    unknown = set()
    for name, matchers in re.findall(r"(\bratelog_[a-z_]+)\{([^}]*)\}", text):
        used = set(re.findall(r"(\w+)\s*[=!]", matchers))
        unknown |= {(name, label) for label in used - METRICS[name] - TARGET}
    for word, labels in re.findall(r"\b(by|without|on|ignoring|group_left) \(([^)]*)\)", text):
        unknown |= {(word, label) for label in re.findall(r"\w+", labels) if label not in LABELS}
    return unknown


def test_metrics_have_a_type_and_a_help_and_no_key() -> None:
    for line in _LINES:
        name, kind, labels, text = line.split(" ", 3)
        assert kind in {"counter", "gauge"}, line
        assert (kind == "counter") == name.endswith("_total"), line
        assert text.endswith("."), line
        assert "key" not in labels.split(","), line
    assert len(METRICS) == len(_LINES)


def test_the_rules_use_known_metrics_and_labels() -> None:
    lines = "\n".join(line for line in _RULES.splitlines() if not re.match(r"\s*(#|- name:)", line))
    assert names(lines) - _RECORDED <= METRICS.keys()
    assert unknown_labels(lines) == set()


def test_each_alert_has_a_summary_a_description_and_a_duration() -> None:
    alerts = _RULES.split("- alert: ")[1:]
    assert alerts
    for alert in alerts:
        for field in ["for: ", "severity: ", "summary: ", "description: "]:
            assert field in alert, alert


@pytest.mark.parametrize("alert", _ALERTS)
def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    outcomes = set(re.findall(rf"alertname: {alert}\n\s+exp_alerts:( \[\])?\n", _RULES_TEST))
    assert outcomes == {"", " []"}


def test_the_readme_lists_the_alerts() -> None:
    assert re.findall(r"^\| `(Ratelog\w+)` \|", _README, re.MULTILINE) == _ALERTS


def test_the_board_uses_all_metrics_and_no_others() -> None:
    # Recorded metrics are not there unless Prometheus has loaded the rules.
    assert names("\n".join(expressions())) == METRICS.keys()


def test_the_board_uses_known_labels() -> None:
    assert unknown_labels("\n".join(expressions())) == set()
    legends = [target["legendFormat"] for panel in panels() for target in panel["targets"]]
    assert {label for legend in legends for label in re.findall(r"\{\{(\w+)\}\}", legend)} <= LABELS


def test_the_board_has_its_rows_and_variables() -> None:
    rows = [panel["title"] for panel in _BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Traffic", "Denials by policy and rule", "Near limits", "Overrides", "Nodes"]
    assert [variable["name"] for variable in _BOARD["templating"]["list"]] == ["datasource", "node", "policy"]
    identifiers = [panel["id"] for panel in _BOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_each_panel_has_a_description_a_unit_and_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    config = panel["fieldConfig"]
    properties = [entry["id"] for override in config["overrides"] for entry in override["properties"]]
    assert "unit" in config["defaults"] or "unit" in properties
    for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        assert source == {"type": "prometheus", "uid": "${datasource}"}


def test_no_panels_overlap() -> None:
    cells = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in _BOARD["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", CONTRIB / "prometheus/rules.yml")


def test_promtool_passes_the_tests_of_the_rules() -> None:
    promtool("test", "rules", CONTRIB / "prometheus/rules_test.yml")


def accepts(queries: list[str], folder: Path) -> None:
    """Lets promtool check queries as recording rules."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    # JSON is YAML.
    path = folder / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", path)


def finds(queries: dict[str, list[dict[str, Any]]], series: dict[str, str], folder: Path) -> None:
    """Lets promtool check the results of queries after half an hour of these series."""
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    expected = [{"expr": query, "eval_time": "30m", "exp_samples": samples} for query, samples in queries.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": expected}
    path = folder / "test.yml"
    path.write_text(json.dumps({"evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", path)


def queries_of_the_board() -> list[str]:
    """The expressions of the panels, with all nodes and policies."""
    every = {variable["name"]: variable.get("allValue") for variable in _BOARD["templating"]["list"]}
    queries = [expression for expression in expressions() if not expression.startswith("label_values(")]
    replaced = [
        query.replace("$__rate_interval", "5m").replace("$node", every["node"]).replace("$policy", every["policy"])
        for query in queries
    ]
    assert not any("$" in query for query in replaced)
    return replaced


def queries_for_applications() -> list[str]:
    """The queries of docs/operations.md for the metrics of applications."""
    _, table = _OPERATIONS.split("In Prometheus's language:\n\n", 1)
    return re.findall(r"^\| `(.*?)`", table.split("\n\n", 1)[0], re.MULTILINE)


def test_promtool_accepts_the_expressions_of_the_board(tmp_path: Path) -> None:
    accepts(queries_of_the_board(), tmp_path)


def test_promtool_accepts_the_queries_for_applications(tmp_path: Path) -> None:
    assert len(queries_for_applications()) == 7
    accepts(queries_for_applications(), tmp_path)


# The dashboard and applications both export ratelog_checks_total.
_OF_THE_DASHBOARD = {
    'ratelog_checks_total{job="ratelog", instance="d", node="a", policy="login", result="allowed"}': "0+60x60",
    'ratelog_checks_total{job="ratelog", instance="d", node="a", policy="login", result="denied"}': "0+60x60",
}
_OF_AN_APPLICATION = {
    'ratelog_checks_total{job="shop", ratelog_policy="login", ratelog_result="allowed"}': "0+180x60",
    'ratelog_checks_total{job="shop", ratelog_policy="login", ratelog_result="denied", error_type="E"}': "0+60x60",
}
# A limit without a policy has no such label, as the series of a dashboard.
_WITHOUT_POLICY = {
    'ratelog_checks_total{job="shop", ratelog_result="allowed"}': "0+60x60",
    'ratelog_checks_total{job="shop", ratelog_result="denied"}': "0+60x60",
}


def test_the_board_ignores_the_series_of_applications(tmp_path: Path) -> None:
    finds({query: [] for query in queries_of_the_board()}, _OF_AN_APPLICATION, tmp_path)
    uses = [expression for expression in expressions() if "ratelog_checks_total" in expression]
    assert not [use for use in uses if re.search(r'ratelog_checks_total(?!\{node=~"\$node")', use)]


def test_the_queries_for_applications_ignore_the_series_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query for query in queries_for_applications() if "ratelog_checks_total" in query]
    finds({query: [] for query in queries}, _OF_THE_DASHBOARD, tmp_path)
    share, by_type, denied = queries
    results = {
        share: [{"labels": "{}", "value": 0.25}],
        by_type: [{"labels": '{error_type="E"}', "value": 1}],
        denied: [{"labels": '{ratelog_policy="login"}', "value": 0.25}],
    }
    finds(results, _OF_AN_APPLICATION, tmp_path)
    finds(results, _OF_THE_DASHBOARD | _OF_AN_APPLICATION, tmp_path)
    by_policy = [*results[denied], {"labels": "{}", "value": 0.5}]
    finds({denied: by_policy}, _OF_THE_DASHBOARD | _OF_AN_APPLICATION | _WITHOUT_POLICY, tmp_path)


def test_the_board_keeps_deployments_with_equal_names_apart(tmp_path: Path) -> None:
    of_the_panel: dict[str, str] = {panel["title"]: panel["targets"][0]["expr"] for panel in panels()}

    def query(title: str) -> str:
        return of_the_panel[title].replace("$node", ".+").replace("$policy", ".*")

    series = {
        'ratelog_up{job="ratelog", instance="d", node="a"}': "1x60",
        'ratelog_up{job="ratelog", instance="e", node="a"}': "0x60",
        'ratelog_policies_digest_info{job="ratelog", instance="d", node="a", digest="74e157fe555cf8a8"}': "1x60",
        'ratelog_policies_digest_info{job="ratelog", instance="e", node="a", digest="c257a543f49a7dbc"}': "1x60",
        'ratelog_policy_limit{job="ratelog", instance="d", policy="login", window="60"}': "5x60",
        'ratelog_policy_limit{job="ratelog", instance="e", policy="login", window="60"}': "7x60",
    }
    results = {
        query("Nodes that do not answer"): [{"labels": "{}", "value": 1}],
        query("Sets of policies"): [{"labels": "{}", "value": 1}],
        query("Nodes"): [
            {"labels": '{job="ratelog", instance="d", node="a"}', "value": 1},
            {"labels": '{job="ratelog", instance="e", node="a"}', "value": 0},
        ],
        query("Limits of policies"): [
            {"labels": '{job="ratelog", instance="d", policy="login", window="60"}', "value": 5},
            {"labels": '{job="ratelog", instance="e", policy="login", window="60"}', "value": 7},
        ],
    }
    finds(results, series, tmp_path)


def test_promtool_accepts_the_queries_of_the_readme(tmp_path: Path) -> None:
    (block,) = (block for block in re.findall(r"```text\n(.*?)```", _README, re.DOTALL) if "rate(" in block)
    accepts(block.strip().split("\n\n"), tmp_path)
