import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from app.adapters.parser_process import Document, PageFrame, ParserKilled, ParserProcess
from app.errors import ExtractionFailed, IngestError, InternalError, StorageFailed
from app.extraction import PDF
from tests.samples.make_samples import bomb_pdf, damaged_pdf, locked_pdf, pdf

FAULTY = [sys.executable, "-I", str(Path(__file__).with_name("faulty_child.py"))]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the limit or the means to see it is Linux's")
TEXT = "text/plain"


@pytest.fixture
def parser():
    process = ParserProcess()
    yield process
    process.close()


@pytest.fixture
def faulty(tmp_path):
    """A parser whose files say what its child does with them."""
    process = FaultyParser(tmp_path)
    yield process
    process.close()


class FaultyParser(ParserProcess):
    def __init__(self, folder):
        super().__init__(command=FAULTY)
        self._path = folder / "steps"

    def do(self, first, second=(), media_type=TEXT, timeout=60.0, **limits):
        """Start reading a file on which the first child takes some steps, and a second one others."""
        self._path.write_text(json.dumps([first, second]))
        return read(self, self._path, media_type, timeout=timeout, **limits)

    def failure(self, *steps, **options):
        with pytest.raises(IngestError) as caught:
            list(self.do(*steps, **options))
        return caught.value.code


def read(process, path, media_type, *, timeout=60.0, max_pages=5000, max_characters=20_000_000):
    return process.read(path, media_type, timeout=timeout, max_pages=max_pages, max_characters=max_characters)


def texts(items):
    return [item.text.decode() for item in items if isinstance(item, PageFrame)]


def exit_of(pid):
    """Wait until a process that need not be our child is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 30)[0], "still there"
    finally:
        os.close(handle)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


# What a sound child brings


def test_pages_come_in_order_and_the_document_last(parser, tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf("First page", "Second", title="A title", author="Somebody"))
    *pages, document = read(parser, tmp_path / "a.pdf", PDF)
    assert pages == [PageFrame(1, 2, b"First page", 10, 2), PageFrame(2, 2, b"Second", 6, 1)]
    metadata = {"created": "2024-02-29T12:00:00+01:00"}
    assert document == Document("A title", "Somebody", metadata, (), "pdfium", 2)


def test_text_passes_as_utf_8(parser, tmp_path):
    (tmp_path / "a.txt").write_text("größer 😀")
    page, document = read(parser, tmp_path / "a.txt", TEXT)
    assert (page.text.decode(), page.characters, page.words) == ("größer 😀", 8, 2)
    assert document.engine == "text"


def test_one_child_reads_many_files(faulty):
    children = set()
    for number in range(5):
        assert texts(faulty.do([f"file {number}"])) == [f"file {number}"]
        children.add(faulty.pid)
    assert len(children) == 1


def test_warnings_name_their_pages(faulty):
    *_, document = faulty.do(["page one"], max_characters=6)
    assert [warning.code for warning in document.warnings] == ["truncated"]
    *_, document = faulty.do([" ", " "])
    assert [warning.code for warning in document.warnings] == ["no_text"]
    *_, document = faulty.do(["one", "segfault"], ["two"], media_type=PDF)
    assert document.page_count == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [(locked_pdf(), "encrypted_document"), (damaged_pdf(), "corrupt_document"), (b"", "corrupt_document")],
)
def test_what_cannot_be_read_is_told_by_its_code(parser, tmp_path, data, code):
    (tmp_path / "a.pdf").write_bytes(data)
    with pytest.raises(ExtractionFailed) as caught:
        list(read(parser, tmp_path / "a.pdf", PDF))
    assert caught.value.code == code


def test_a_file_that_is_gone_is_a_matter_of_the_storage(parser, tmp_path):
    with pytest.raises(StorageFailed) as caught:
        list(read(parser, tmp_path / "gone.pdf", PDF))
    assert caught.value.code == "blob_missing"


# What the child has, and has not


def test_the_child_has_no_secrets_and_little_loaded(faulty, monkeypatch):
    monkeypatch.setenv("ADMIN_TOKEN", "a secret of ours")
    environment, modules = texts(faulty.do(["environment", "modules"]))
    assert "secret" not in environment
    assert not {"flask", "redis", "rq", "pydantic", "structlog", "minio"} & set(modules.split())


@ON_LINUX
def test_descriptors_do_not_add_up(faulty):
    here = open_descriptors()
    assert texts(faulty.do(["fds"])) == texts(faulty.do(["fds"])) == ["5"]
    for _ in range(5):
        list(faulty.do(["exit"], ["x"], media_type=PDF))
    faulty.close()
    assert open_descriptors() == here


def test_the_child_cannot_write_files(faulty):
    assert faulty.failure(["write"]) == "corrupt_document"


def test_what_a_library_prints_is_no_answer(faulty):
    assert texts(faulty.do(["print", "page"])) == ["page"]


# What a file may do to the child

DEATHS = ["segfault", "abort", "exit", "flood", "garbage", "wrong page", "lying page", "short page", "no object"]


@pytest.mark.parametrize("fault", [*DEATHS, "unknown failure"])
def test_a_fresh_child_goes_on_where_the_first_one_died(faulty, fault):
    *pages, document = faulty.do(["one", fault], ["two", "three"], media_type=PDF)
    assert [page.number for page in pages] == [1, 2, 3]
    assert texts(pages) == ["one", "two", "three"]
    assert document.page_count == 3


@pytest.mark.parametrize("media_type", [PDF, TEXT])
@pytest.mark.parametrize("fault", DEATHS)
def test_a_second_death_ends_the_file_and_the_next_one_is_read(faulty, fault, media_type):
    assert faulty.failure([fault], [fault], media_type=media_type) == "parser_crashed"
    assert texts(faulty.do(["next"])) == ["next"]


def test_pages_without_end_are_cut_off(faulty):
    assert faulty.failure(["pages without end"], ["exit"], media_type=PDF, max_pages=50) == "parser_crashed"
    assert faulty.failure(["pages without end"], ["exit"], media_type=PDF, max_characters=50_000) == "parser_crashed"


def test_an_answer_too_many_is_not_taken_for_the_next_file(faulty):
    *_, document = faulty.do(["two documents"])
    assert (document.title, document.metadata) == (None, {})
    assert texts(faulty.do(["next"])) == ["next"]


@pytest.mark.parametrize("media_type", [PDF, TEXT])
def test_a_hang_ends_at_the_deadline(faulty, media_type):
    assert faulty.failure(["hang"], ["hang"], media_type=media_type, timeout=0.3) == "job_timeout"
    assert texts(faulty.do(["next"])) == ["next"]


def test_where_pdfium_hangs_pypdf_gets_the_rest_of_the_time(faulty):
    *pages, _ = faulty.do(["one", "hang"], ["two"], media_type=PDF, timeout=3.0)
    assert texts(pages) == ["one", "two"]


def test_an_empty_second_opinion_proves_nothing_where_pdfium_ran_out_of_time_or_memory(faulty):
    assert faulty.failure(["one", "hang"], [" "], media_type=PDF, timeout=3.0) == "job_timeout"
    assert faulty.failure(["one", "abort"], [" "], media_type=PDF) == "resource_limit"
    assert faulty.failure(["one", "abort"], ["exit"], media_type=PDF) == "parser_crashed"


def test_an_empty_second_opinion_after_a_crash_is_taken(faulty):
    *_, document = faulty.do(["segfault"], [" "], media_type=PDF)
    assert "no_text" in [warning.code for warning in document.warnings]


@pytest.mark.parametrize("first", ["corrupt", "unsupported", "raise anything"])
def test_what_pdfium_cannot_open_pypdf_may(faulty, first):
    assert texts(faulty.do([first], ["all"], media_type=PDF)) == ["all"]
    assert faulty.failure([first], ["corrupt"], media_type=PDF) == "corrupt_document"
    assert faulty.failure([first], [], media_type=TEXT) in ("corrupt_document", "unsupported_feature")


def test_a_lock_is_not_tried_twice(faulty):
    assert faulty.failure(["locked"], ["all"], media_type=PDF) == "encrypted_document"


@ON_LINUX
def test_memory_without_end_is_a_limit_not_a_crash(faulty):
    assert faulty.failure(["eat memory"], ["eat memory"], media_type=PDF) == "resource_limit"
    assert texts(faulty.do(["next"])) == ["next"]


@ON_LINUX
def test_a_bomb_in_a_pdf_is_a_limit(parser, tmp_path):
    (tmp_path / "a.pdf").write_bytes(bomb_pdf())
    with pytest.raises(ExtractionFailed) as caught:
        list(read(parser, tmp_path / "a.pdf", PDF))
    assert caught.value.code == "resource_limit"


@pytest.mark.parametrize("command", [["/nonexistent/python"], [sys.executable, "-c", "pass"], ["/bin/echo"]])
def test_a_child_that_cannot_start_is_not_the_fault_of_the_file(tmp_path, command):
    process = ParserProcess(command=command)
    with pytest.raises(InternalError) as caught:
        list(read(process, tmp_path, TEXT))
    assert caught.value.retryable
    process.close()


def killing_at_the_start(parser, monkeypatch, times):
    """From now on that many children in a row are killed before they are ready, as by a kernel that wants memory."""
    start, left = parser._kept._start, [True] * times

    def started():
        child = start()
        if left:
            left.pop()
            os.kill(child.pid, signal.SIGKILL)
        return child

    monkeypatch.setattr(parser._kept, "_start", started)


def test_children_that_are_killed_as_they_start_cost_the_file_nothing(faulty, monkeypatch):
    killing_at_the_start(faulty, monkeypatch, 2)
    assert texts(faulty.do(["one"])) == ["one"]


def test_a_child_that_is_killed_as_it_takes_over_is_followed_by_another(faulty, monkeypatch):
    pages = faulty.do(["one", "exit"], ["two"])
    assert next(pages).text == b"one"
    killing_at_the_start(faulty, monkeypatch, 2)
    assert texts(pages) == ["two"]


def test_a_file_whose_reader_could_not_start_is_worth_another_attempt(faulty, monkeypatch):
    pages = faulty.do(["one", "exit"], ["two"])
    assert next(pages).text == b"one"
    killing_at_the_start(faulty, monkeypatch, 9)
    with pytest.raises(InternalError) as caught:
        list(pages)
    assert caught.value.retryable


# What its owner does to the child


def test_a_child_that_died_between_files_costs_nothing(faulty):
    list(faulty.do(["x"]))
    os.kill(faulty.pid, signal.SIGKILL)
    exit_of(faulty.pid)
    assert texts(faulty.do(["one"], ["other"], media_type=PDF)) == ["one"]


def test_killed_from_another_thread_the_reading_ends(faulty):
    pages = faulty.do(["one", "hang"])
    assert next(pages).text == b"one"
    killer = threading.Thread(target=faulty.kill)
    killer.start()
    with pytest.raises(ParserKilled):
        next(pages)
    killer.join()
    assert texts(faulty.do(["next"])) == ["next"]


def test_killed_before_the_first_page_the_reading_ends_too(faulty):
    pages = faulty.do(["one"])
    faulty.kill()
    with pytest.raises(ParserKilled):
        next(pages)


def test_killed_between_files_the_next_one_is_read(faulty):
    faulty.kill()
    assert texts(faulty.do(["one"])) == ["one"]
    first = faulty.pid
    faulty.kill()
    assert faulty.pid is None
    assert texts(faulty.do(["two"])) == ["two"]
    assert faulty.pid != first


def test_kills_at_any_moment_leave_a_parser_that_works(faulty):
    stop = threading.Event()

    def kill_on():
        while not stop.wait(0.003):
            faulty.kill()

    killer = threading.Thread(target=kill_on)
    killer.start()
    outcomes = set()
    for _ in range(20):
        try:
            outcomes.add(len(list(faulty.do(["a", "b", "c"]))))
        except ParserKilled:
            outcomes.add("killed")
    stop.set()
    killer.join()
    assert outcomes <= {4, "killed"}
    assert texts(faulty.do(["next"])) == ["next"]


def test_a_reading_that_is_given_up_takes_its_child_along(faulty):
    pages = faulty.do(["one", "two", "hang"])
    next(pages)
    child = faulty.pid
    pages.close()
    exit_of(child)
    assert texts(faulty.do(["next"])) == ["next"]


@ON_LINUX
def test_what_the_child_started_dies_with_it(faulty):
    pages = faulty.do(["fork", "hang"])
    grandchild = int(next(pages).text)
    faulty.kill()
    exit_of(grandchild)
    pages.close()


def test_close_may_be_called_again(faulty):
    faulty.close()
    list(faulty.do(["x"]))
    faulty.close()
    faulty.close()
    assert faulty.pid is None


OWNER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from app.adapters.parser_process import ParserProcess
parser = ParserProcess(command=sys.argv[3:])
pages = parser.read(Path(sys.argv[2]), "text/plain", timeout=60, max_pages=9, max_characters=99)
next(pages)
print(parser.pid, flush=True)
next(pages)
"""


@ON_LINUX
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_does_not_outlive_its_worker(tmp_path, sent):
    (tmp_path / "steps").write_text(json.dumps([["one", "hang"], []]))
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", OWNER, root, str(tmp_path / "steps"), *FAULTY]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        child = int(owner.stdout.readline())
        owner.send_signal(sent)
        owner.wait()
    exit_of(child)


@ON_LINUX
def test_the_child_is_in_a_session_of_its_own(faulty):
    list(faulty.do(["x"]))
    assert os.getsid(faulty.pid) == faulty.pid


# ---- what the child says ---------------------------------------------------------------------------------------------


def said(logged):
    return [entry["line"] for entry in logged if entry["event"] == "parser_said"]


def test_what_a_library_says_in_the_child_is_logged_of_its_file(faulty):
    with structlog.testing.capture_logs() as logged:
        assert texts(faulty.do(["say", "a page"])) == ["a page"]
        assert texts(faulty.do(["another file"])) == ["another file"]
    assert said(logged) == ["a library complains", "\x1b[31mof \\xff bytes"]


def test_the_last_words_of_a_child_that_dies_are_logged(faulty):
    with structlog.testing.capture_logs() as logged:
        assert faulty.failure(["say", "abort"], ["abort"]) == "parser_crashed"
    assert "a library complains" in said(logged)


def test_a_child_that_says_a_lot_loses_it_and_reads_on(faulty):
    with structlog.testing.capture_logs() as logged:
        assert texts(faulty.do(["say a lot", "a page"])) == ["a page"]
    assert said(logged) == ["once more"] * 10
    assert [entry["lines"] > 1000 for entry in logged if entry["event"] == "parser_said_more"] == [True]
