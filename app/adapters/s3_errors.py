"""What an S3 store's refusals mean for us: one table from its codes to ours, with whether asking again can help.

a code of S3       from the answer's body, or what its client makes of a status without a body
an HTTP status     where the answer was no S3 error (a proxy's page); 4xx are permanent, 5xx are not
CONNECTION         no answer at all: refused, reset, timed out, broken off
CERTIFICATE        the other end is not who it should be
"""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import IngestError, StorageFailed, StorageUnavailable

CONNECTION = "connection"
CERTIFICATE = "certificate"
NO_BUCKET = "NoSuchBucket"
NO_KEY = "NoSuchKey"
NO_UPLOAD = "NoSuchUpload"
NO_RANGE = "InvalidRange"
EXISTS = "PreconditionFailed"
DENIED = "AccessDenied"
UNKNOWN = "NotImplemented"

_KEYS = "Tell the operator of this service to check S3_ACCESS_KEY and S3_SECRET_KEY, and what they allow."
_PLACE = "Tell the operator of this service to check S3_ENDPOINT, S3_BUCKET and S3_REGION."
_CLOCK = "Tell the operator of this service to set the clock of its machine."
_TRUST = "Tell the operator of this service to check S3_ENDPOINT and S3_CA_FILE."


@dataclass(frozen=True)
class Meaning:
    """`permanent`: the same request would be answered the same; `suggestion` is None where the catalogue's is right."""

    code: str
    permanent: bool
    suggestion: str | None = None

    def error(self) -> IngestError:
        if self.code in ("blob_missing", "blob_corrupt"):
            return StorageFailed(self.code)
        return StorageUnavailable(self.code, suggestion=self.suggestion, retry_after=60 if self.permanent else 5)


_AWAY = Meaning("storage_unavailable", permanent=False)
_REFUSED = Meaning("storage_unavailable", permanent=True, suggestion=_KEYS)
_ELSEWHERE = Meaning("storage_unavailable", permanent=True, suggestion=_PLACE)
_FULL = Meaning("storage_full", permanent=True)
_GONE = Meaning("blob_missing", permanent=True)

TABLE: dict[str, Meaning] = {
    CONNECTION: _AWAY,
    CERTIFICATE: Meaning("storage_unavailable", permanent=True, suggestion=_TRUST),
    NO_KEY: _GONE,
    "NoSuchVersion": _GONE,
    EXISTS: Meaning("blob_corrupt", permanent=True),  # it is another object than the one whose beginning was read
    NO_RANGE: Meaning("blob_corrupt", permanent=True),
    "InternalError": _AWAY,
    "OperationAborted": _AWAY,
    "RequestTimeout": _AWAY,
    "ServiceUnavailable": _AWAY,
    "SlowDown": _AWAY,
    "SlowDownRead": _AWAY,
    "SlowDownWrite": _AWAY,
    "XMinioServerNotInitialized": _AWAY,
    "XMinioStorageResourceInsufficient": _AWAY,
    NO_UPLOAD: _AWAY,  # pruned under a writer that was asleep for a day: from the start again
    "BadDigest": _AWAY,  # changed on the way
    "IncompleteBody": _AWAY,
    DENIED: _REFUSED,
    "AllAccessDisabled": _REFUSED,
    "ExpiredToken": _REFUSED,
    "InvalidAccessKeyId": _REFUSED,
    "InvalidToken": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "RequestTimeTooSkewed": Meaning("storage_unavailable", permanent=True, suggestion=_CLOCK),
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "BucketAlreadyExists": _ELSEWHERE,  # somebody else's
    "InvalidBucketName": _ELSEWHERE,
    "MethodNotAllowed": _ELSEWHERE,
    "PermanentRedirect": _ELSEWHERE,
    UNKNOWN: _ELSEWHERE,
    NO_BUCKET: _ELSEWHERE,
    "EntityTooLarge": _FULL,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
}


def meaning_of(code: str | int) -> Meaning:
    """What a code of the table, or an HTTP status, means; what is not known is taken for an outage."""
    if isinstance(code, int):
        return _ELSEWHERE if 300 <= code < 500 and code != 429 else _AWAY
    return TABLE.get(code, _AWAY)
