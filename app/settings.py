"""The settings: read from the environment (and `.env` at the top of the repository), checked once, frozen.
The only reader of the environment. `setting_values` says what a single value has to look like, this module what has to
fit together; all that is wrong comes as one `WrongSettings`, a line for each."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self

from app.setting_values import IN_ANY_CASE, BucketName, CaFile, Folder, Names, RedisUrl, S3Endpoint, Secret

ROOT = Path(__file__).resolve().parent.parent
"""The top of the repository; `./data` and the files that the processes are started from are found from here."""

_NEEDED_FOR_S3 = ("s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key")
BATCH_MARGIN_SECONDS = 15.0
"""What a batch keeps free beside JOB_TIMEOUT before its lock may run out."""


class WrongSettings(Exception):
    """One or more settings cannot be used; `lines` says which, what is wrong and never a secret's value."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class S3Place:
    """One bucket, and how it is reached."""

    endpoint: str
    bucket: str
    access_key: SecretStr
    secret_key: SecretStr
    region: str
    ca_file: Path | None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Field names are the environment's names in lower case; sizes are bytes, durations seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    workers: int = Field(default_factory=_cores, ge=0, le=256)
    data_dir: Folder = ROOT / "data"

    redis_url: RedisUrl | None = Field(None, repr=False)
    redis_ca_file: CaFile | None = None
    s3_endpoint: S3Endpoint | None = None
    s3_bucket: BucketName | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str | None = None
    s3_ca_file: CaFile | None = None

    cron_secret: Secret | None = None
    admin_token: Secret | None = None
    admin_read_only: bool = False
    metrics_token: Secret | None = None

    max_upload_bytes: int = Field(100 * 1024**2, ge=1)
    min_free_bytes: int = Field(512 * 1024**2, ge=0)
    max_waiting_jobs: int = Field(100_000, ge=1)
    max_pages: int = Field(5_000, ge=1)
    max_characters: int = Field(20_000_000, ge=1)

    job_timeout: float = Field(30, gt=0, le=3600)
    max_retries: int = Field(3, ge=0, le=20)
    retry_base_seconds: float = Field(60, ge=0, le=86_400)
    sync_timeout: float = Field(25, ge=0, le=3600)
    batch_size: int = Field(5, ge=1, le=10_000)
    batch_timeout: float = Field(300, gt=0, le=86_400)
    lock_ttl: float = Field(300, gt=0, le=86_400)
    retention_days: int = Field(7, ge=1, le=3650)
    aging_seconds: float = Field(900, ge=0, le=31_536_000)

    web_threads: int = Field(512, ge=4, le=10_000)
    trusted_proxies: int = Field(0, ge=0, le=10)
    trusted_hosts: Names = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], IN_ANY_CASE] = "info"

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        problems = self._missing_of_s3()
        if self.redis_ca_file and not (self.redis_url or "").startswith("rediss"):
            problems.append("REDIS_CA_FILE: is for TLS; REDIS_URL has to begin with rediss:// or rediss+sentinel://")
        if self.last_start_seconds <= 0:
            problems.append("BATCH_TIMEOUT: leaves no time for a job; it has to exceed JOB_TIMEOUT by more than 15 s")
        if self.lock_ttl < self.batch_timeout:
            problems.append("LOCK_TTL: a batch would outlive its lock; it has to be at least BATCH_TIMEOUT")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def redis_address(self) -> str | None:
        """`redis_url` with what is trusted in it, as every client takes it."""
        if self.redis_url is None or self.redis_ca_file is None:
            return self.redis_url
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_ca_certs={quote(str(self.redis_ca_file))}"

    def _missing_of_s3(self) -> list[str]:
        """All or none: a store that is only half described must not silently be a folder."""
        s3 = {name: getattr(self, name) for name in type(self).model_fields if name.startswith("s3_")}
        if not any(s3.values()):
            return []
        missing = [name.upper() for name in _NEEDED_FOR_S3 if not s3[name]]
        return [f"{name}: is not set, but others of the S3 settings are; set all four or none" for name in missing]

    @property
    def s3(self) -> S3Place | None:
        """The bucket, where there is to be one."""
        if not (self.s3_endpoint and self.s3_bucket and self.s3_access_key and self.s3_secret_key):
            return None
        return S3Place(
            endpoint=self.s3_endpoint,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            region=self.s3_region or "us-east-1",
            ca_file=self.s3_ca_file,
        )

    @property
    def aging_ms(self) -> int:
        """After that many milliseconds of waiting a job counts as one priority higher; 0: never."""
        return round(self.aging_seconds * 1000)

    @property
    def last_start_seconds(self) -> float:
        """How long after its begin a batch may still begin a job."""
        return self.batch_timeout - self.job_timeout - BATCH_MARGIN_SECONDS


def read_settings(env_file: Path | None = ROOT / ".env", **given: Any) -> Settings:
    """The settings of this environment (`given` stands above it); raises `WrongSettings` with every wrong value."""
    try:
        return Settings(**{"_env_file": env_file, **given})
    except ValidationError as error:
        raise WrongSettings(_lines(error)) from None  # its own text would quote secrets


def load_settings(**given: Any) -> Settings:
    """What an entry point calls: `read_settings`, or every wrong value on stderr and exit status 2."""
    try:
        return read_settings(**given)
    except WrongSettings as wrong:
        sys.stderr.write("".join(f"setting {line}\n" for line in wrong.lines))
        raise SystemExit(2) from None


def shown(settings: Settings) -> dict[str, str]:
    """Every setting by its environment name, as it may be shown: secrets only as set or unset."""
    values = {name.upper(): getattr(settings, name) for name in type(settings).model_fields}
    hidden = {name: "(set)" for name, value in values.items() if isinstance(value, SecretStr)}
    if settings.redis_url and set("@?") & set(settings.redis_url):  # there may be a password before or behind these
        hidden["REDIS_URL"] = "(set)"
    return {name: "" if value is None else str(value) for name, value in values.items()} | hidden


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for item in error.errors(include_url=False, include_input=False):
        message = item["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
        name = str(item["loc"][0]).upper() if item["loc"] else ""
        lines += [f"{name}: {message}"] if name else message.split("\n")
    return lines
