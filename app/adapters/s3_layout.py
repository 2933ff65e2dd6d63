"""Where everything stands in the bucket: the keys, and the manifest among an upload's metadata.

``uploads/<job id>`` with the manifest, put together with the bytes; ``results/<job id>.<token>``; ``installation``;
``checks/<random>`` while a `check` lasts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from app.adapters.blob_border import StoredResult
from app.adapters.blob_names import result_key, result_name, upload_name
from app.adapters.s3_objects import Head, Listed
from app.domain.manifest import Manifest
from app.errors import StorageFailed

UPLOADS, RESULTS, CHECKS, INSTALLATION = "uploads/", "results/", "checks/", "installation"
_MANIFEST = "manifest"


def upload_at(job_id: str) -> str:
    return UPLOADS + upload_name(job_id)


def result_at(job_id: str, token: str) -> str:
    return RESULTS + result_name(job_id, token)


def results_in(items: Iterable[Listed]) -> Iterator[StoredResult]:
    return (
        StoredResult(*key, item.age_seconds) for item in items if (key := result_key(item.key.removeprefix(RESULTS)))
    )


def metadata_of(manifest: Manifest) -> dict[str, str]:
    """As ASCII, which is all that a header may be."""
    return {_MANIFEST: base64.urlsafe_b64encode(manifest.to_json()).decode()}


def manifest_in(head: Head) -> Manifest:
    """Raises ``blob_corrupt``."""
    try:
        data = base64.b64decode(head.metadata.get(_MANIFEST, ""), altchars=b"-_", validate=True)
    except ValueError as error:
        raise StorageFailed("blob_corrupt") from error
    return Manifest.from_json(data)
