"""The documentation tells what is there: settings, addresses, errors, files and decisions, each both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import CATALOGUE, IngestError
from app.services import VERSION
from app.settings import ROOT, Settings
from app.web.openapi.page import page
from app.web.problems import status_of

README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/api.md",
        "docs/operations.md",
        "docs/metrics.md",
        "docs/pages.md",
        "docs/reliability.md",
        "docs/scaling.md",
        "bench/README.md",
        "clients/python/README.md",
        "clients/js/README.md",
    )
] + DECISIONS

FIRST_SCREEN_LINES = 24
#: Not addresses of ours: the files of the pages, and what rq-dashboard brings beside its front page.
NOT_TOLD = ("static", "rq_dashboard.")


def rows_of(text: str, heading: str) -> Iterator[list[str]]:
    """The cells of the first table under that heading, without its head."""
    _, _, section = text.partition(f"\n## {heading}\n")
    table = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    assert len(table) > 2, f"no table under {heading}"
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def told_default(name: str) -> str:
    """A setting's default as README writes it."""
    field = Settings.model_fields[name]
    if field.default_factory is not None:
        return {"workers": "cores"}[name]
    if field.default in (None, ()):
        return "unset"
    if isinstance(field.default, Path):
        return f"`./{field.default.relative_to(ROOT)}`"
    return f"`{field.default}`"


def test_the_table_of_settings_has_every_setting_with_its_default_and_no_other():
    told = {name.strip("`"): default for name, default, _ in rows_of(README, "Settings")}
    assert told == {name.upper(): told_default(name) for name in Settings.model_fields}


def test_every_setting_is_explained():
    assert [name for name, _, meaning in rows_of(README, "Settings") if not meaning] == []


def as_told(rule: str) -> str:
    """`/x/<path:file_name>` → `/x/{fileName}`."""

    def camel(match: re.Match[str]) -> str:
        first, *rest = match[1].split("_")
        return "{" + first + "".join(part.capitalize() for part in rest) + "}"

    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", camel, rule)


def addresses_of(app) -> set[tuple[str, str]]:
    return {
        (method, as_told(rule.rule))
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(NOT_TOLD) or rule.rule == "/admin/rq/"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def told_addresses(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?\s]*)[^`]*`", text))


def test_every_address_is_told_and_no_other(app):
    existing, told = addresses_of(app), told_addresses(API)
    assert existing - told == set(), "there, but not in docs/api.md"
    assert (told | told_addresses(README)) - existing == set(), "told, but not there"


def test_the_page_of_the_api_is_what_would_be_made_now():
    assert page() == API, "./run openapi --markdown > docs/api.md"


def test_every_error_is_told_as_it_is_and_no_other():
    told = {code.strip("`"): (type_, shown, *words) for type_, code, _, shown, *words in rows_of(API, "Errors")}
    assert told == {
        code: (f"`{entry.type}`", "yes" if entry.retryable else "no", entry.message, entry.suggestion)
        for code, entry in CATALOGUE.items()
    }


def test_every_error_is_told_with_its_http_status():
    for _, code, statuses, *_ in rows_of(API, "Errors"):
        assert str(status_of(IngestError(code.strip("`")))) in statuses.split(", "), code


def without_examples(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(path):
    links = re.findall(r"\]\(([^)\s]+)\)", without_examples(path.read_text()))
    ours = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in ours if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_and_folders_that_are_named_exist(path):
    spans = re.findall(r"`([^`\s]+)`", without_examples(path.read_text()))
    named = [
        span
        for span in spans
        if re.fullmatch(r"(app|deploy|docs|static|templates|tests)/[\w./-]*|[\w-]+\.(py|txt|lock|yml)", span)
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_to_a_section_of_the_readme_find_it():
    sections = {
        re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^#+ (.+)$", README, re.M)
    }
    asked = {section for path in PAGES for section in re.findall(r"README\.md#([\w-]+)\)", path.read_text())}
    assert asked
    assert asked <= sections


def test_the_first_screen_shows_the_page_and_how_to_start():
    screen = README.splitlines()[:FIRST_SCREEN_LINES]
    pictures = [line for line in screen if re.fullmatch(r"!\[[^\]]{20,}\]\(docs/[\w.-]+\)", line)]
    assert len(pictures) == 1
    assert "$ ./run" in screen
    assert len([line for line in screen if line.startswith("curl ")]) == 2


def test_every_name_of_the_design_document_has_its_counterpart():
    _, _, section = README.partition("### From the names of the design document\n")
    told = section.partition("\n## ")[0]
    there = (
        *("Blob", "KV", "Cron", "`vercel.json`", "`BLOB_READ_WRITE_TOKEN`", "`KV_URL`", "`KV_REST_API_URL`"),
        *("`KV_REST_API_TOKEN`", "`KV_REST_API_READ_ONLY_TOKEN`", "`CRON_SECRET`"),
    )
    rows = [line.split("|")[1] for line in told.splitlines() if line.startswith("|")]
    names = {name.strip() for row in rows for name in row.split(",")}
    assert set(there) <= names
    here = set(re.findall(r"`([A-Z0-9_]+)`", " ".join(line.split("|")[2] for line in told.splitlines() if "|" in line)))
    assert here <= {name.upper() for name in Settings.model_fields}


def test_links_to_a_chapter_of_the_operations_find_it():
    page = (ROOT / "docs" / "operations.md").read_text()
    chapters = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^#+ (.+)$", page, re.M)}
    asked = set(re.findall(r"operations\.md#([\w-]+)\)", README)) | set(re.findall(r"\]\(#([\w-]+)\)", page))
    assert asked
    assert asked <= chapters


def test_every_decision_is_listed_and_says_what_it_costs():
    assert len(DECISIONS) >= 5
    for path in DECISIONS:
        assert f"(docs/adr/{path.name})" in README
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "What it costs", "What was measured"], path.name


def test_the_changelog_begins_with_this_version():
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == VERSION


def test_every_event_of_the_logs_is_told_and_no_other():
    """docs/operations.md, chapter Logs, against the calls in the code and the lines that are made without one."""
    code = "\n".join(path.read_text() for path in [*(ROOT / "app").rglob("*.py"), *ROOT.glob("*.py")])
    logged = set(re.findall(r'\blog\.(?:debug|info|warning|error|exception)\(\s*"(\w+)"', code))
    logged |= set(re.findall(r'"event": "(\w+)"', (ROOT / "app" / "logs.py").read_text()))
    _, _, chapter = (ROOT / "docs" / "operations.md").read_text().partition("\n## Logs\n")
    told = set(re.findall(r"^\| `(\w+)` \| [a-z, ]+ \|", chapter.partition("\n## ")[0], re.MULTILINE))
    assert len(logged) > 15
    assert told == logged
