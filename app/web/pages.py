"""The pages that people open: the upload page, its form for browsers without JavaScript, and the page of one job."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.domain.media_types import MEDIA_TYPES
from app.errors import RequestRefused
from app.ingestion import cancel as steering
from app.web.context import find_job, services
from app.web.ingest import shown
from app.web.receiving import receive_form

FORMATS = "PDF, DOCX, HTML, Markdown, CSV, JSON or plain text."

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def upload_page() -> str:
    return render_template(
        "upload.html",
        max_upload_bytes=services().settings.max_upload_bytes,
        accept=list(MEDIA_TYPES),
        formats=FORMATS,
    )


@blueprint.post("/")
def upload() -> AnyResponse:
    return _to_page(receive_form().id)


@blueprint.get("/jobs/<job_id>")
def job_page(job_id: str) -> Response:
    job = find_job(job_id)
    page = make_response(render_template("job.html", job=shown(job), refresh=not job.status.is_final))
    page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/jobs/<job_id>/<any(cancel, retry):verb>")
def steer(job_id: str, verb: str) -> AnyResponse:
    """What cannot be done any more is no error to a person: the page shows how the job stands."""
    find_job(job_id)
    try:
        (steering.cancel if verb == "cancel" else steering.retry)(services(), job_id)
    except RequestRefused as refused:
        if refused.code != "wrong_state":
            raise
    return _to_page(job_id)


def _to_page(job_id: str) -> AnyResponse:
    return redirect(url_for("pages.job_page", job_id=job_id), 303)
