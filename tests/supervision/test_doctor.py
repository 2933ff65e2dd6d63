import json
import socket
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from app.adapters import server_binaries
from app.adapters.blob_store import LocalBlobs
from app.cli import cli
from app.domain.ids import new_job_id
from app.errors import StorageUnavailable
from app.settings import Settings, read_settings
from app.supervision import doctor_machine as machine
from app.supervision.doctor_parser import _findings, of_parser
from app.supervision.doctor_storage import of_pair, of_storage
from app.supervision.findings import Level, Report, Use, advice, fine, wrong
from tests.processes import free_port

MIB = 1024 * 1024


def whats(findings, *levels):
    return [finding.what for finding in findings if finding.level in (levels or tuple(Level))]


def settings_with(tmp_path, **given):
    return read_settings(env_file=None, **{"data_dir": tmp_path / "data", "min_free_bytes": 0, **given})


# ---- reports -----------------------------------------------------------------------------------------------------


def test_advice_leaves_a_report_well_and_something_wrong_does_not():
    good = advice("a", "may hurt", why="x", do="y")
    assert Report([], [fine("a", "ok"), good]).is_well
    assert not Report([], [good, wrong("a", "broken", why="x", do="y")]).is_well


def test_a_person_reads_the_worst_last():
    report = Report([Use("redis", "this one", "it runs")], [wrong("b", "broken", why="w", do="d"), fine("a", "ok")])
    lines = list(report.lines())
    assert lines[1] == "  redis     this one  (it runs)"
    assert [line.strip() for line in lines[3:]] == [
        "fine    a         ok",
        "wrong   b         broken",
        "why: w",
        "do:  d",
        "1 wrong, 0 to think about, 1 fine.",
    ]


# ---- storage -----------------------------------------------------------------------------------------------------


def test_a_folder_that_can_be_written_is_fine_and_keeps_no_probe(tmp_path):
    settings = settings_with(tmp_path)
    store = LocalBlobs(settings.data_dir / "blobs")
    store.check()
    settings.data_dir.chmod(0o700)
    assert whats(of_storage(store, settings), Level.WRONG, Level.ADVICE) == []
    assert [path for path in settings.data_dir.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    settings = settings_with(tmp_path)
    (only,) = of_storage(LocalBlobs(settings.data_dir / "blobs"), settings)
    assert only.level is Level.FINE
    assert not settings.data_dir.exists()


def test_a_folder_that_cannot_be_made_is_wrong(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = settings_with(tmp_path, data_dir=tmp_path / "file" / "data")
    (only,) = of_storage(LocalBlobs(settings.data_dir / "blobs"), settings)
    assert only.level is Level.WRONG


@pytest.mark.parametrize("step", ["check", "is_empty"])
def test_a_store_that_does_not_answer_is_wrong_and_says_how(tmp_path, monkeypatch, step):
    settings = settings_with(tmp_path)
    store = LocalBlobs(settings.data_dir / "blobs")
    store.check()

    def broken():
        raise StorageUnavailable("storage_unavailable") from PermissionError("not yours")

    monkeypatch.setattr(store, step, broken)
    (what,) = whats(of_storage(store, settings), Level.WRONG)
    assert what.endswith("(PermissionError: not yours)")


@pytest.mark.parametrize(("least", "level"), [(1, Level.FINE), (2**62, Level.WRONG)])
def test_too_little_room_is_wrong(tmp_path, least, level):
    settings = settings_with(tmp_path, min_free_bytes=least)
    store = LocalBlobs(settings.data_dir / "blobs")
    store.check()
    assert next(f.level for f in of_storage(store, settings) if "free" in f.what) is level


def test_a_folder_that_others_can_enter_is_advice(tmp_path):
    settings = settings_with(tmp_path)
    store = LocalBlobs(settings.data_dir / "blobs")
    store.check()
    settings.data_dir.chmod(0o755)
    assert len(whats(of_storage(store, settings), Level.ADVICE)) == 1


@pytest.mark.parametrize("stored", [None, "one"])
@pytest.mark.parametrize("noted", [None, "one", "two"])
@pytest.mark.parametrize("has_files", [False, True])
@pytest.mark.parametrize("has_jobs", [False, True])
def test_a_pair_is_judged_as_the_service_judges_it(services, stored, noted, has_files, has_jobs):
    """The doctor only looks; the service takes two into use, or refuses them."""
    if has_files:
        with services.blobs.new_result(new_job_id(), "token") as sink:
            sink.commit()
    if stored:
        services.blobs.set_installation(stored)
    if noted:
        services.jobs.set_installation(noted)
    if has_jobs:
        services.redis.zadd("ingest:jobs", {"job": 1})
    (finding,) = of_pair(stored=stored, noted=noted, files_empty=not has_files, jobs_empty=not has_jobs)
    try:
        services.binding()
        is_pair = True
    except Exception:
        is_pair = False
    assert (finding.level is Level.FINE) == is_pair


# ---- the machine -------------------------------------------------------------------------------------------------


def test_a_port_that_is_free_is_fine_and_one_that_is_taken_is_wrong(tmp_path):
    assert whats(machine.of_address(settings_with(tmp_path, port=free_port())), Level.WRONG) == []
    with socket.socket() as taken:  # without an ear: who asks it what it is gets its answer at once
        taken.bind(("127.0.0.1", 0))
        found = list(machine.of_address(settings_with(tmp_path, port=taken.getsockname()[1])))
    assert whats(found, Level.WRONG) != []


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({}, 0),
        ({"host": "0.0.0.0"}, 2),
        ({"host": "0.0.0.0", "trusted_hosts": "files.example.org"}, 1),
        ({"host": "0.0.0.0", "trusted_proxies": 1, "trusted_hosts": "files.example.org"}, 1),
        ({"trusted_proxies": 1}, 1),
        ({"trusted_proxies": 1, "trusted_hosts": "files.example.org"}, 0),
    ],
)
def test_an_address_that_others_reach_wants_a_proxy_and_names(tmp_path, given, number):
    assert len(whats(machine.of_proxies(settings_with(tmp_path, **given)), Level.ADVICE)) == number


def test_secrets_that_are_the_same_are_wrong(tmp_path):
    same = SecretStr("the-same-for-both-of-them")
    found = list(machine.of_secrets(settings_with(tmp_path, admin_token=same, cron_secret=same)))
    assert whats(found, Level.WRONG) == ["two secrets have the same value"]
    assert "the-same-for-both" not in str(found)


def test_secrets_that_run_would_make_are_missed_only_where_it_is_not_used(tmp_path):
    assert whats(machine.of_secrets(settings_with(tmp_path)), Level.ADVICE) == []
    apart = settings_with(tmp_path, redis_url="redis://127.0.0.1:1/0")
    assert len(whats(machine.of_secrets(apart), Level.ADVICE)) == 2


def test_few_descriptors_are_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.resource, "getrlimit", lambda kind: (256, 256))
    (first, *_) = whats(machine.of_limits(settings_with(tmp_path)), Level.ADVICE)
    assert "256 files" in first


@pytest.mark.parametrize(
    ("workers", "mib", "level"), [(2, 4096, Level.FINE), (8, 2048, Level.ADVICE), (0, 4096, Level.ADVICE)]
)
def test_workers_have_to_fit_into_memory(workers, mib, level):
    (only,) = machine.of_memory(workers, mib * MIB)
    assert only.level is level


def test_packages_of_other_versions_are_told(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("# made by a program\nredis==0.0.1 \\\n    --hash=sha256:00\nnot-installed-here==1.0 \\\n")
    (only,) = machine.of_packages(lock)
    assert only.level is Level.ADVICE
    assert "1 packages are not those of requirements.lock: redis " in only.what


def test_either_pin_of_a_package_will_do(tmp_path):
    from importlib.metadata import version

    lock = tmp_path / "requirements.lock"
    lock.write_text(f"redis==0.0.1 ; python_version < '3'\nredis=={version('redis')} ; python_version > '3'\n")
    (only,) = machine.of_packages(lock)
    assert only.level is Level.FINE


# ---- the parser's child ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system does not tell limits")
def test_the_limits_told_are_those_of_a_real_child():
    use, findings = of_parser()
    assert "memory 512 MiB, files it may write 0, open files 32, core 0" in use.what
    assert whats(findings, Level.WRONG) == []


def test_a_child_without_a_limit_of_memory_is_wrong():
    found = _findings({"Max address space": "unlimited"}, {"NoNewPrivs": "1"}, is_root=False)
    assert whats(found, Level.WRONG, Level.ADVICE) == ["its memory is not limited"]


# ---- all of it ---------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setenv("MIN_FREE_BYTES", "0")
    return monkeypatch


def test_with_nothing_started_it_says_what_would_be_used_and_makes_nothing(environment, tmp_path):
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["ok"]) == (0, True)
    uses = {use["name"]: use["what"] for use in document["uses"]}
    assert uses["files"] == f"the folder {tmp_path / 'data' / 'blobs'}"
    assert uses["redis"].startswith("an embedded server, ")
    assert not (tmp_path / "data").exists()
    assert {finding["level"] for finding in document["findings"]} <= {"fine", "advice"}


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hushhush@127.0.0.1:{}/0",
        "redis+sentinel://:hushhush@127.0.0.1:{}/ingest/0?sentinel_password=hushhush",
    ],
)
def test_a_redis_that_does_not_answer_is_wrong_and_its_password_is_not_told(environment, url):
    environment.setenv("REDIS_URL", url.format(free_port()))
    done = CliRunner().invoke(cli, ["doctor"])
    assert done.exit_code == 1
    assert "wrong   redis     it does not answer" in done.output
    assert "hushhush" not in done.output


def test_settings_that_cannot_be_used_are_what_is_wrong(environment):
    environment.setenv("ADMIN_TOKEN", "short")
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.exit_code, finding["level"], finding["topic"]) == (1, "wrong", "settings")
    assert finding["what"].startswith("ADMIN_TOKEN: is shorter")


def test_no_server_at_all_is_wrong(environment, monkeypatch):
    monkeypatch.setattr(server_binaries, "server_binaries", lambda: iter(()))
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    assert done.exit_code == 1
    wrong_ones = [finding for finding in json.loads(done.stdout)["findings"] if finding["level"] == "wrong"]
    assert [finding["topic"] for finding in wrong_ones] == ["redis"]
    assert "apt install valkey-server" in wrong_ones[0]["do"]


def test_a_dotenv_that_others_can_read_is_advice(tmp_path):
    path = tmp_path / ".env"
    path.write_text("ADMIN_TOKEN=x")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert list(machine._env_file(path)) == []
    path.chmod(0o644)
    assert whats(machine._env_file(path), Level.ADVICE) == [f"{path} can be read by others"]


def test_a_bucket_is_tried_by_an_object_that_is_removed_again(environment, moto):
    for name, value in moto.environment("ingest-of-the-doctor").items():
        environment.setenv(name, value)
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["ok"]) == (0, True)
    uses = {use["name"]: use["what"] for use in document["uses"]}
    assert uses["files"] == f"the bucket ingest-of-the-doctor at {moto.endpoint}"
    assert "a probe was written, read back and removed" in {finding["what"] for finding in document["findings"]}


def test_a_bucket_that_does_not_answer_is_wrong_and_its_keys_are_not_told(environment):
    given = {"BUCKET": "ingest-nowhere", "ACCESS_KEY": "hushkey0815", "SECRET_KEY": "hushhush0815"}
    for name, value in given.items():
        environment.setenv(f"S3_{name}", value)
    environment.setenv("S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    done = CliRunner().invoke(cli, ["doctor"])
    assert done.exit_code == 1
    assert "wrong   storage   The file storage does not answer." in done.output
    assert "hush" not in done.output
