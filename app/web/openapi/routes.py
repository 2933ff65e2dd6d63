"""Every address of this service as one table; a test holds it against the routes that really exist, both ways."""

from __future__ import annotations

from app.web.openapi.job_routes import JOB_ROUTES
from app.web.openapi.operator_routes import OPERATOR_ROUTES
from app.web.openapi.page_routes import PAGE_ROUTES

ROUTES = (*JOB_ROUTES, *OPERATOR_ROUTES, *PAGE_ROUTES)
