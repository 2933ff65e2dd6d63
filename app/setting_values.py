"""What a single setting's value has to look like, as types: each refuses with words for the operator, and never repeats
a secret."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

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
_SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_HOST = r"(?:\[[0-9a-fA-F:.]+\]|[^\s@,:/?\[\]]+)(?::\d{1,5})?"
_SENTINEL_FORM = re.compile(
    rf"rediss?\+sentinel://(?:[^\s@/]*@)?{_HOST}(?:,{_HOST})*/[^\s/?]+(?:/\d{{1,5}})?/?(?:\?\S*)?", re.ASCII
)
_BUCKET_FORM = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _readable_certificates(path: Path) -> Path:
    """A PEM file as an absolute path; a wrong one is told at start, and not by the first connection."""
    path = _absolute(path)
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError("should be a file that can be read, with certificates in PEM form") from error
    return path


def _address_of_redis(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in ("redis", "rediss", "unix", *_SENTINEL_SCHEMES):
        raise ValueError("should begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://")
    if scheme in _SENTINEL_SCHEMES and not _SENTINEL_FORM.fullmatch(url):
        raise ValueError("should name Sentinels and their service: redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0")
    return url


def _address_of_s3(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("should be http:// or https:// with a host and maybe a port, and nothing behind it")
    if "@" in parts.netloc:
        raise ValueError("should hold no keys; they go into S3_ACCESS_KEY and S3_SECRET_KEY")
    return f"{parts.scheme}://{parts.netloc}"


def _name_of_bucket(name: str) -> str:
    if not _BUCKET_FORM.fullmatch(name):
        raise ValueError("should be 3 to 63 lower-case letters, digits, dots and hyphens, as S3 wants it")
    return name


def _hard_to_guess(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < SHORTEST_SECRET:
        raise ValueError(f"is shorter than {SHORTEST_SECRET} characters; make one with: openssl rand -hex 24")
    letters = "".join(character for character in value.lower() if character.isalnum())
    if letters.startswith(KNOWN_SECRETS) or len(set(value)) < 4:
        raise ValueError("is a value that anybody would guess; make one with: openssl rand -hex 24")
    return secret


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())
    return value


Folder = Annotated[Path, AfterValidator(_absolute)]
CaFile = Annotated[Path, AfterValidator(_readable_certificates)]
RedisUrl = Annotated[str, AfterValidator(_address_of_redis)]
S3Endpoint = Annotated[str, AfterValidator(_address_of_s3)]
BucketName = Annotated[str, AfterValidator(_name_of_bucket)]
Secret = Annotated[SecretStr, AfterValidator(_hard_to_guess)]
#: From `a, b`; a tuple is taken as it is.
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
IN_ANY_CASE = BeforeValidator(_lower_case)
