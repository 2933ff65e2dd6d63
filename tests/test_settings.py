"""What the settings accept, refuse and say about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from app.settings import ROOT, Settings, WrongSettings, load_settings, read_settings, shown

LONG_SECRET = "b7Qx2-vNf0zLk81sTq"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def read(**given: Any) -> Settings:
    return read_settings(env_file=None, **given)


def wrong(**given: Any) -> list[str]:
    with pytest.raises(WrongSettings) as caught:
        read(**given)
    return caught.value.lines


def test_without_an_environment_it_is_what_the_readme_says() -> None:
    settings = read()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, ROOT / "data")
    assert (settings.max_upload_bytes, settings.min_free_bytes) == (100 * 1024**2, 512 * 1024**2)
    assert (settings.job_timeout, settings.max_retries, settings.retry_base_seconds) == (30, 3, 60)
    assert (settings.batch_size, settings.batch_timeout, settings.lock_ttl) == (5, 300, 300)
    assert (settings.sync_timeout, settings.max_waiting_jobs, settings.retention_days) == (25, 100_000, 7)
    assert (settings.web_threads, settings.trusted_proxies, settings.trusted_hosts) == (512, 0, ())
    assert (settings.redis_url, settings.cron_secret, settings.admin_token) == (None, None, None)
    assert settings.workers >= 1


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("TRUSTED_HOSTS", "Files.example.org, localhost")
    monkeypatch.setenv("RETRY_BASE_SECONDS", "0.2")
    settings = read()
    assert (settings.port, settings.retry_base_seconds) == (9000, 0.2)
    assert settings.trusted_hosts == ("files.example.org", "localhost")


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert read() == read_settings(env_file=None)
    assert read().cron_secret is None


def test_the_environment_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nBATCH_SIZE=9\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("PORT", "9002")
    settings = read_settings(env_file=tmp_path / ".env")
    assert (settings.port, settings.batch_size) == (9002, 9)


def test_every_wrong_value_has_a_line_that_names_it() -> None:
    lines = wrong(port=70000, workers="many", redis_url="http://x", log_level="loud", trusted_proxies=-1)
    assert sorted(line.split(":")[0] for line in lines) == [
        "LOG_LEVEL",
        "PORT",
        "REDIS_URL",
        "TRUSTED_PROXIES",
        "WORKERS",
    ]


@pytest.mark.parametrize("name", ["cron_secret", "admin_token", "metrics_token"])
@pytest.mark.parametrize(
    "secret", ["tiny7", "x" * 40, "changeme-changeme", "your-secure-random-string", "ChangeMe1234567890"]
)
def test_a_secret_that_can_be_guessed_is_refused_and_not_repeated(name: str, secret: str) -> None:
    (line,) = wrong(**{name: secret})
    assert line.startswith(f"{name.upper()}: ")
    assert secret not in line


def test_a_good_secret_is_taken_and_never_shown() -> None:
    settings = read(cron_secret=LONG_SECRET, redis_url="redis://:hidden@example.org/0")
    assert settings.cron_secret
    assert settings.cron_secret.get_secret_value() == LONG_SECRET
    for text in (repr(settings), str(shown(settings))):
        assert LONG_SECRET not in text
        assert "hidden" not in text


S3 = {
    "s3_endpoint": "https://s3.example.org",
    "s3_bucket": "ingest",
    "s3_access_key": "key-of-s3",
    "s3_secret_key": "secret-of-s3",
}


def test_a_bucket_is_described_by_four_settings() -> None:
    assert read().s3 is None
    place = read(**S3).s3
    assert place
    assert (place.endpoint, place.bucket, place.region) == ("https://s3.example.org", "ingest", "us-east-1")
    assert place.secret_key.get_secret_value() == "secret-of-s3"
    assert {name: shown(read(**S3))[name] for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY")} == dict.fromkeys(
        ("S3_ACCESS_KEY", "S3_SECRET_KEY"), "(set)"
    )


@pytest.mark.parametrize("missing", S3)
def test_half_a_bucket_is_refused_by_the_name_of_what_is_missing(missing: str) -> None:
    given = {name: value for name, value in S3.items() if name != missing}
    (line,) = wrong(**given)
    assert line.startswith(f"{missing.upper()}: is not set")


def test_a_region_alone_is_half_a_bucket_too() -> None:
    assert len(wrong(s3_region="eu-west-1")) == 4


@pytest.mark.parametrize(
    "endpoint",
    [
        "s3.example.org",
        "ftp://s3.example.org",
        "https://",
        "https://s3.example.org/path",
        "https://key:word@s3.example.org",
    ],
)
def test_an_endpoint_is_an_address_and_nothing_else(endpoint: str) -> None:
    (line,) = wrong(**{**S3, "s3_endpoint": endpoint})
    assert line.startswith("S3_ENDPOINT: should")
    assert "key:word" not in line


def test_a_bucket_has_a_name_that_s3_takes() -> None:
    assert wrong(**{**S3, "s3_bucket": "My_Bucket"})[0].startswith("S3_BUCKET: should be 3 to 63")


def test_a_file_of_certificates_is_read_at_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "missing"):
        assert wrong(**{**S3, "s3_ca_file": path})[0].startswith("S3_CA_FILE: should be a file")


def test_a_batch_has_to_have_time_for_a_job() -> None:
    assert wrong(batch_timeout=45, job_timeout=30)[0].startswith("BATCH_TIMEOUT")
    assert read(batch_timeout=46, job_timeout=30).last_start_seconds == 1


def test_a_batch_never_outlives_its_lock() -> None:
    (line,) = wrong(batch_timeout=300, lock_ttl=299)
    assert line.startswith("LOCK_TTL")


def test_a_relative_folder_is_taken_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(data_dir="here").data_dir == tmp_path / "here"


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read().port = 1  # type: ignore[misc]


def test_at_start_wrong_values_are_told_and_end_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_settings(port=0, batch_size=0)
    assert ended.value.code == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "setting PORT",
        "setting BATCH_SIZE",
    ]


def test_the_example_names_every_setting() -> None:
    named = re.findall(r"^#([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one/main",
        "redis+sentinel://:word@one:26379,two:26379/main/0",
        "rediss+sentinel://[::1]:1/main?sentinel_password=x",
    ],
)
def test_redis_by_sentinel_is_taken(url: str) -> None:
    assert read(redis_url=url).redis_address == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://:letmein@host/0",
        "unix:///s?password=letmein",
        "redis+sentinel://one,two/main?sentinel_password=letmein",
    ],
)
def test_a_password_is_not_shown_wherever_it_stands_in_the_address(url: str) -> None:
    assert shown(read(redis_url=url))["REDIS_URL"] == "(set)"
    assert shown(read(redis_url="redis://host/0"))["REDIS_URL"] == "redis://host/0"


@pytest.mark.parametrize(
    "url", ["redis+sentinel://", "redis+sentinel://one", "redis+sentinel://one,/main", "redis+sentinel://one:x/main"]
)
def test_a_sentinel_url_without_its_parts_is_refused(url: str) -> None:
    assert wrong(redis_url=url)[0].startswith("REDIS_URL: should name Sentinels")


def test_the_authorities_for_redis_go_with_its_url(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "our ca.pem")
    given = {"redis_ca_file": tmp_path / "our ca.pem"}
    address = read(redis_url="rediss://:word@host/0?x=1", **given).redis_address
    assert address == f"rediss://:word@host/0?x=1&ssl_ca_certs={tmp_path}/our%20ca.pem"
    for url in (None, "redis://host/0"):
        assert wrong(redis_url=url, **given)[0].startswith("REDIS_CA_FILE: is for TLS")
