"""The ZIP of results: whole, streamed, with names that unpack anywhere, and honest about what is not in it."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from app.domain.ids import new_job_id
from app.domain.job import Priority
from app.errors import StorageFailed, StorageUnavailable
from app.web import archives
from app.web.archives import LEFT_OUT, unique_name
from tests.web.driving import accept, claim, done, fail

UNKNOWN = "job_" + "a" * 24


def fetch(client, *job_ids, **query):
    answer = client.get("/api/ingest/results", query_string={"jobs": ",".join(job_ids), **query})
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    return answer


def unpacked(answer):
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info).decode() for info in archive.infolist()}


def test_each_completed_job_is_one_file(client, services):
    jobs = [done(services, "one", "two", name="a.pdf"), done(services, "three", name="b.txt")]
    answer = fetch(client, *(job.id for job in jobs))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="results.zip"'
    assert unpacked(answer) == {"a.txt": "one\ftwo", "b.txt": "three"}


@pytest.mark.parametrize(("form", "name"), [("json", "a.json"), ("markdown", "a.md"), ("text", "a.txt")])
def test_a_file_is_what_the_result_address_gives_in_that_form(client, services, form, name):
    job = done(services, "one", "two", name="a.pdf")
    alone = client.get(f"/api/ingest/result/{job.id}?format={form}").text
    assert unpacked(fetch(client, job.id, format=form)) == {name: alone}


def test_what_is_not_in_it_is_told_with_the_reason(client, services):
    read = done(services, "words")
    broken = fail(services, claim(services, accept(services, "broken.pdf", priority=Priority.HIGH)))
    waits = accept(services, "late.txt")
    ids = (read.id, broken.id, waits.id, UNKNOWN, "<nonsense>")
    lines = unpacked(fetch(client, *ids))[LEFT_OUT].splitlines()
    assert lines == [
        f"broken.pdf ({broken.id}): The document is damaged and cannot be read.",
        f"late.txt ({waits.id}): It is not completed yet.",
        f"{UNKNOWN}: There is no such job.",
        "an unknown id: There is no such job.",
    ]


def test_a_job_named_twice_is_in_it_once(client, services):
    job = done(services, "words", name="a.txt")
    assert list(unpacked(fetch(client, job.id, job.id))) == ["a.txt"]


def test_a_result_that_cannot_be_read_leaves_the_others_whole(client, services, monkeypatch):
    gone, kept = done(services, "lost", name="gone.txt"), done(services, "kept", name="kept.txt")
    services.blobs.delete_result(gone.id, gone.result_token)
    files = unpacked(fetch(client, gone.id, kept.id))
    assert files["kept.txt"] == "kept"
    assert set(files) == {"kept.txt", LEFT_OUT}
    assert files[LEFT_OUT].startswith(f"gone.txt ({gone.id}): ")


def test_a_result_that_is_damaged_is_cut_short_and_said_to_be(client, services, monkeypatch):
    broken, kept = done(services, "half and half", name="a.txt"), done(services, "kept", name="b.txt")
    whole = archives.body_of

    def damaged(reader, job, form):
        for data in whole(reader, job, form):
            yield data[:4]
            if job.id == broken.id:
                raise StorageFailed("blob_corrupt")

    monkeypatch.setattr(archives, "body_of", damaged)
    files = unpacked(fetch(client, broken.id, kept.id))
    assert (files["a.txt"], files["b.txt"]) == ("half", "kept")
    assert "a.txt ends too early" in files[LEFT_OUT]


def test_a_storage_that_is_away_is_a_reason_too(client, services, monkeypatch):
    job = done(services, "words")

    def away(*asked):
        raise StorageUnavailable("storage_unavailable")

    monkeypatch.setattr(services.blobs, "open_result", away)
    assert list(unpacked(fetch(client, job.id))) == [LEFT_OUT]


def test_many_unknown_ids_are_one_question_to_the_storage_whose_it_is(client, services, monkeypatch):
    """With a bucket each one more takes milliseconds, and anybody may ask."""
    services.binding()  # takes both into use
    asked, installation = [], services.blobs.installation
    monkeypatch.setattr(services.blobs, "installation", lambda: asked.append(1) or installation())
    lines = unpacked(fetch(client, *(new_job_id() for _ in range(5))))[LEFT_OUT].splitlines()
    assert (len(lines), len(asked)) == (5, 1)


def test_it_is_sent_while_it_is_written(client, services):
    """Text that hardly shrinks, twenty times as long as the largest piece that may be held."""
    letters = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4_000_000)
    job = done(services, "".join(letters))
    pieces = [len(piece) for piece in fetch(client, job.id).iter_encoded()]
    assert sum(pieces) > 2_000_000
    assert max(pieces) < 200_000


def test_a_client_that_leaves_leaves_nothing_open(client, services):
    job = done(services, "".join(random.Random(2).choices("abcdefgh", k=1_000_000)))
    answer = client.get(f"/api/ingest/results?jobs={job.id}", buffered=False)
    next(answer.iter_encoded())
    answer.close()  # an open file would be a warning, and warnings are errors


def test_a_download_that_takes_long_counts_as_held(client, services, app, monkeypatch):
    monkeypatch.setattr(archives, "LONG_SECONDS", -1)
    held = app.extensions["gate"].held
    answer = client.get(f"/api/ingest/results?jobs={done(services, 'words').id}", buffered=False)
    next(answer.iter_encoded())
    assert held.taken == 1
    answer.close()
    assert held.taken == 0


@pytest.mark.parametrize("jobs", ["", ",", ",".join(f"job_{n:024}" for n in range(101))])
def test_a_list_holds_1_to_100_jobs(client, jobs):
    answer = client.get(f"/api/ingest/results?jobs={jobs}")
    assert (answer.status_code, answer.get_json()["error"]["field"]) == (422, "jobs")


def test_another_format_is_refused(client):
    answer = client.get(f"/api/ingest/results?jobs={UNKNOWN}&format=exe")
    assert (answer.status_code, answer.get_json()["error"]["field"]) == (422, "format")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *(("script.pdf", "script.txt"), ("no ending", "no ending.txt"), ("Übung.PDF", "Übung.txt")),
        *(("..", "result.txt"), (".htaccess", "htaccess.txt"), ("...pdf", "result.txt"), ("a. .txt", "a.txt")),
        *(("a/b\\c.txt", "a_b_c.txt"), ("C:x.txt", "C_x.txt"), ('a<b>"|?*.txt', "a_b_____.txt")),
        *(
            ("con.txt", "_con.txt"),
            ("NUL", "_NUL.txt"),
            ("com1.tar.gz", "_com1.tar.txt"),
            ("console.txt", "console.txt"),
        ),
        *(("_not_included.pdf", "_not_included (2).txt"), ("a\x00b\nc.txt", "a_b_c.txt")),
    ],
)
def test_a_name_unpacks_anywhere(given, name):
    assert unique_name(given, ".txt", {LEFT_OUT}) == name


def test_names_are_told_apart_on_disks_that_ignore_case_too():
    taken = set()
    names = [unique_name(name, ".txt", taken) for name in ("a.pdf", "A.docx", "a (2).txt", "a.txt")]
    assert names == ["a.txt", "A (2).txt", "a (2) (2).txt", "a (3).txt"]
