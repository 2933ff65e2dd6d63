"""The text that was read, in its three forms."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services import Services
from app.web.schemas import Result
from tests.web.driving import accept, claim, complete, done, fail

PAGES = ('first "page"', "second page \N{SNOWMAN}", "<script>alert(1)</script>")


def ask(client: FlaskClient, job_id: str, query: str = "", accept: str = "") -> TestResponse:
    return client.get(f"/api/ingest/result/{job_id}{query}", headers={"Accept": accept} if accept else {})


@pytest.fixture
def job_id(services: Services) -> str:
    return done(services, *PAGES, name="Mein Skript.txt").id


def test_the_whole_result_is_a_document_with_its_pages(client: FlaskClient, job_id: str):
    answer = ask(client, job_id)
    assert answer.mimetype == "application/json"
    Result.model_validate(answer.json)
    assert [page["number"] for page in answer.json["pages"]] == [1, 2, 3]
    assert [page["text"] for page in answer.json["pages"]] == list(PAGES)
    assert answer.json["pageCount"] == 3
    assert answer.json["metadata"] == {"producer": "a typewriter"}
    assert answer.json["file"]["name"] == "Mein Skript.txt"


def test_the_text_form_joins_pages_with_a_form_feed(client: FlaskClient, job_id: str):
    answer = ask(client, job_id, "?format=text")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "\f".join(PAGES)


def test_the_markdown_form_has_the_title_and_a_heading_for_each_page(client: FlaskClient, services: Services):
    job = complete(services, claim(services, accept(services)), "one\n", "two", title="A\ntitle")
    answer = ask(client, job.id, "?format=markdown")
    assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert answer.text == "# A title\n\n## Page 1\n\none\n\n## Page 2\n\ntwo\n\n"


def test_a_file_that_is_markdown_is_left_as_it_is(client: FlaskClient, services: Services):
    job = accept(services, "a.md", media_type="text/markdown")
    complete(services, claim(services, job), "# Title\n\nwords\n", title="Title")
    assert ask(client, job.id, "?format=markdown").text == "# Title\n\nwords\n"


@pytest.mark.parametrize(
    ("accepted", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/plain", "text/plain"),
        ("text/markdown, text/plain;q=0.5", "text/markdown"),
        ("nonsense", "application/json"),
    ],
)
def test_the_form_is_what_the_client_accepts(client: FlaskClient, job_id: str, accepted: str, media_type: str):
    answer = ask(client, job_id, accept=accepted)
    assert answer.mimetype == media_type
    assert "Accept" in answer.headers["Vary"]


def test_the_format_in_the_address_counts_more(client: FlaskClient, job_id: str):
    assert ask(client, job_id, "?format=text", accept="text/markdown").mimetype == "text/plain"


def test_one_page_comes_in_every_form(client: FlaskClient, job_id: str):
    assert ask(client, job_id, "?page=2").json["pages"] == [{"number": 2, "text": PAGES[1]}]
    assert ask(client, job_id, "?page=2&format=text").text == PAGES[1]
    assert ask(client, job_id, "?page=2&format=markdown").text == PAGES[1]


@pytest.mark.parametrize("page", ["4", "999999999"])
def test_a_page_that_is_not_there_is_not_found(client: FlaskClient, job_id: str, page: str):
    answer = ask(client, job_id, f"?page={page}")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(
            (f"page={value}", "page")
            for value in ("0", "-1", "abc", "", "1.5", "9" * 5000, "\N{ARABIC-INDIC DIGIT ONE}")
        ),
        *((f"format={value}", "format") for value in ("", "pdf", "JSON")),
        ("download=yes", "download"),
    ],
)
def test_nonsense_in_the_query_is_refused(client: FlaskClient, job_id: str, query: str, field: str):
    answer = ask(client, job_id, f"?{query}")
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid_field")
    assert answer.json["error"]["field"] == field


def test_what_a_user_wrote_is_never_run(client: FlaskClient, job_id: str):
    for form in ("json", "text", "markdown"):
        answer = ask(client, job_id, f"?format={form}")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("form", "ending"), [("json", "json"), ("text", "txt"), ("markdown", "md")])
def test_a_download_is_called_after_the_file(client: FlaskClient, job_id: str, form: str, ending: str):
    answer = ask(client, job_id, f"?format={form}&download=1")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="Mein Skript.{ending}"'


def test_a_name_that_is_not_ascii_is_told_twice(client: FlaskClient, services: Services):
    job = done(services, name='d\xe9j\xe0 "vu"; \N{SNOWMAN}.txt')
    assert ask(client, job.id, "?format=text&download=1").headers["Content-Disposition"] == (
        "attachment; filename=\"deja _vu__.txt\"; filename*=UTF-8''d%C3%A9j%C3%A0%20%22vu%22%3B%20%E2%98%83.txt"
    )


def test_a_name_without_ascii_still_has_one(client: FlaskClient, services: Services):
    job = done(services, name="\N{SNOWMAN}.txt")
    assert 'filename="result.json"' in ask(client, job.id, "?download=1").headers["Content-Disposition"]


def test_a_result_that_is_not_there_yet_says_when_to_ask_again(client: FlaskClient, services: Services):
    job = accept(services)
    for _ in range(2):
        answer = ask(client, job.id)
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_completed")
        assert int(answer.headers["Retry-After"]) >= 1
        job = claim(services, job) if job.claim is None else job


def test_the_result_of_a_failed_job_is_its_error(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)), "encrypted_document")
    answer = ask(client, job.id)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "encrypted_document")
    assert answer.mimetype == "application/problem+json"
    assert "Traceback" not in answer.text


def test_a_result_that_is_missing_or_torn_is_an_error_and_not_half_an_answer(client: FlaskClient, services: Services):
    job = done(services)
    (path,) = (services.blobs.root / "results").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert ask(client, job.id).json["error"]["code"] == "blob_corrupt"
    path.unlink()
    assert ask(client, job.id).json["error"]["code"] == "blob_missing"


def test_a_long_result_is_whole_in_every_form(client: FlaskClient, services: Services):
    pages = [f"page {n} " + "\N{SNOWMAN}x" * 20_000 for n in range(1, 20)]
    job = done(services, *pages)
    assert [page["text"] for page in json.loads(ask(client, job.id).data)["pages"]] == pages
    assert ask(client, job.id, "?format=text").text == "\f".join(pages)


def test_files_are_closed_also_if_nobody_reads_on(client: FlaskClient, services: Services):
    """An open file would be a ResourceWarning, which is an error here."""
    client.get(f"/api/ingest/result/{done(services, 'x' * 500_000).id}", buffered=False).close()
