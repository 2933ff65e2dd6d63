"""The addresses that a person opens; their errors are pages too."""

from __future__ import annotations

from app.web import operator_schemas as operator
from app.web.openapi.parts import JOB_ID, PAGE, STEERING_ERRORS, TO_PAGE, UPLOAD, UPLOAD_ERRORS, VERB
from app.web.openapi.shapes import LOGIN_FORM, Answer, Body, Route

PAGE_ROUTES = (
    Route("GET", "/", "The upload page", {200: PAGE}, "pages", is_page=True),
    Route(
        "POST",
        "/",
        "Upload without JavaScript",
        {303: TO_PAGE},
        "pages",
        body=UPLOAD,
        errors=("not_multipart", *UPLOAD_ERRORS),
        is_page=True,
    ),
    Route(
        "GET",
        "/jobs/{jobId}",
        "The page of one job",
        {200: PAGE},
        "pages",
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable"),
        is_page=True,
    ),
    Route(
        "POST",
        "/jobs/{jobId}/{verb}",
        "Stop a job or run it again, from its page",
        {303: TO_PAGE},
        "pages",
        parameters=(JOB_ID, VERB),
        errors=STEERING_ERRORS,
        is_page=True,
    ),
    Route("GET", "/admin", "The operator page", {200: PAGE, 303: TO_PAGE}, "pages", guard="admin", is_page=True),
    Route(
        "GET",
        "/admin/jobs/{jobId}",
        "The operator's page of one job",
        {200: PAGE, 303: TO_PAGE},
        "pages",
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable"),
        guard="admin",
        is_page=True,
    ),
    Route("GET", "/admin/login", "The login page", {200: PAGE}, "pages", errors=("not_configured",), is_page=True),
    Route(
        "POST",
        "/admin/login",
        "Log in with the token or a one-time code",
        {303: Answer("Logged in.", None, (), ("Location", "Set-Cookie"))},
        "pages",
        body=Body(LOGIN_FORM, (operator.Login,)),
        errors=("unauthenticated", "rate_limited", "too_large", "not_configured", "queue_unavailable", "cross_site"),
        is_page=True,
    ),
    Route(
        "POST",
        "/admin/logout",
        "End the session",
        {303: TO_PAGE},
        "pages",
        errors=("queue_unavailable", "cross_site"),
        is_page=True,
    ),
)
