"""The settings: read from the environment (and `.env` at the top of the repository), checked once, frozen.
The only reader of the environment; what a wrong value means is said by `WrongSettings`, one line for each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from typing_extensions import Self

ROOT = Path(__file__).resolve().parent.parent
"""The top of the repository; `./data` and the files that the processes are started from are found from here."""

SHORTEST_SECRET = 16
KNOWN_SECRETS = (
    "changeme",
    "changethis",
    "replaceme",
    "your",
    "example",
    "default",
    "password",
    "secret",
    "1234567890",
    "0123456789",
)
BATCH_MARGIN_SECONDS = 15.0
"""What a batch keeps free beside JOB_TIMEOUT before its lock may run out."""


class WrongSettings(Exception):
    """One or more settings cannot be used; `lines` says which, what is wrong and never a secret's value."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Field names are the environment's names in lower case; sizes are bytes, durations seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    workers: int = Field(default_factory=_cores, ge=0, le=256)
    data_dir: Path = ROOT / "data"

    redis_url: str | None = Field(None, repr=False)
    s3_endpoint: str | None = None
    s3_bucket: str | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None

    cron_secret: SecretStr | None = None
    admin_token: SecretStr | None = None
    metrics_token: SecretStr | None = None

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

    web_threads: int = Field(512, ge=4, le=10_000)
    trusted_proxies: int = Field(0, ge=0, le=10)
    trusted_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("should begin with redis://, rediss:// or unix://")
        return url

    @field_validator("s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key")
    @classmethod
    def _no_s3_yet(cls, value: object) -> None:
        if value is not None:
            raise ValueError("storage on S3 is not supported yet; unset it, and files are kept in DATA_DIR")

    @field_validator("cron_secret", "admin_token", "metrics_token")
    @classmethod
    def _hard_to_guess(cls, secret: SecretStr | None) -> SecretStr | None:
        value = secret.get_secret_value() if secret else None
        if value is None:
            return None
        if len(value) < SHORTEST_SECRET:
            raise ValueError(f"is shorter than {SHORTEST_SECRET} characters; make one with: openssl rand -hex 24")
        letters = "".join(character for character in value.lower() if character.isalnum())
        if letters.startswith(KNOWN_SECRETS) or len(set(value)) < 4:
            raise ValueError("is a value that anybody would guess; make one with: openssl rand -hex 24")
        return secret

    @field_validator("trusted_hosts", mode="before")
    @classmethod
    def _comma_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip().lower() for name in value.split(",") if name.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _a_batch_fits_its_lock(self) -> Self:
        problems = []
        if self.last_start_seconds <= 0:
            problems.append("BATCH_TIMEOUT: leaves no time for a job; it has to exceed JOB_TIMEOUT by more than 15 s")
        if self.lock_ttl < self.batch_timeout:
            problems.append("LOCK_TTL: a batch would outlive its lock; it has to be at least BATCH_TIMEOUT")
        if problems:
            raise ValueError("\n".join(problems))
        return self

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


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that is to see the same settings, with what was found or made since."""
    names = ("host", "port", "data_dir", "redis_url")
    secrets = {"ADMIN_TOKEN": settings.admin_token, "CRON_SECRET": settings.cron_secret}
    return {
        **os.environ,
        **{name.upper(): str(value) for name in names if (value := getattr(settings, name)) is not None},
        **{name: secret.get_secret_value() for name, secret in secrets.items() if secret},
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }


def shown(settings: Settings) -> dict[str, str]:
    """Every setting by its environment name, as it may be shown: secrets only as set or unset."""
    values = {name.upper(): getattr(settings, name) for name in type(settings).model_fields}
    hidden = {name: "(set)" for name, value in values.items() if isinstance(value, SecretStr)}
    if settings.redis_url and "@" in settings.redis_url:  # it holds a password
        hidden["REDIS_URL"] = "(set)"
    return {name: "" if value is None else str(value) for name, value in values.items()} | hidden


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for item in error.errors(include_url=False, include_input=False):
        message = item["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
        name = str(item["loc"][0]).upper() if item["loc"] else ""
        lines += [f"{name}: {message}"] if name else message.split("\n")
    return lines
