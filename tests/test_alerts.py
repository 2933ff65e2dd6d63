"""The rules that wake somebody, and the dashboard: they ask for metrics that exist, and the rules do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from app.settings import ROOT

DEPLOY = ROOT / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
#: What Prometheus itself makes of each scrape.
ITS_OWN = {"up"}


def told_series() -> set[str]:
    """Names of series as docs/metrics.md tells them, which a test compares with what the service shows."""
    rows = re.findall(r"^\| `(ingest_\w+)` \| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    ends = {"histogram": ("_bucket", "_sum", "_count")}
    return {f"{name}{end}" for name, kind in rows for end in ends.get(kind, ("",))}


def series_of(expression: str) -> set[str]:
    return set(re.findall(r"\b(ingest_\w+|up)\b", expression))


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_exist(rule):
    assert series_of(rule["expr"])
    assert series_of(rule["expr"]) <= told_series() | ITS_OWN


def test_the_dashboard_asks_for_metrics_that_exist():
    asked = set().union(*map(series_of, dashboard_expressions()))
    assert asked <= told_series()


def test_every_metric_is_on_the_dashboard():
    def family(series):
        return re.sub(r"_(bucket|sum|count)$", "", series)

    asked = {family(series) for series in set().union(*map(series_of, dashboard_expressions()))}
    assert {family(series) for series in told_series()} - asked == set()


def test_the_dashboard_names_no_data_source_of_its_own():
    sources = {json.dumps(panel["datasource"]) for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


def test_the_panels_have_ids_and_places_of_their_own():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_bad_it_is_and_where_to_read_on(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    page, _, section = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert section in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_rule_is_seen_to_fire():
    """In deploy/alerts_test.yml, where promtool compares all alerts that fire with those that are named."""
    text = (DEPLOY / "alerts_test.yml").read_text()
    assert {rule["alert"] for rule in RULES} == set(re.findall(r'ALERTS\{alertname="(\w+)"', text))


@pytest.fixture(scope="module")
def promtool():
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("promtool is missing: apt install prometheus")
    if found is None:
        pytest.skip("promtool is not installed (apt install prometheus)")
    return found


@pytest.mark.parametrize("command", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_prometheus_takes_the_rules(promtool, command):
    done = subprocess.run([promtool, *command], cwd=DEPLOY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_every_expression_of_the_dashboard(promtool, tmp_path):
    """Given as recording rules, so that promtool reads them; Grafana's own variables stand for a duration and a name."""
    rules = [
        {
            "record": f"dashboard:{number}",
            "expr": expression.replace("$__rate_interval", "5m").replace("$job", "ingest"),
        }
        for number, expression in enumerate(dashboard_expressions())
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", "rules.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_service_answers_is_clean_for_prometheus(promtool, client, settings):
    text = client.get("/metrics", headers={"Authorization": f"Bearer {settings.admin_token.get_secret_value()}"}).data
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
