"""A call of each address and its answer, whole: shown in docs/api.md and in the OpenAPI document, and held against the
models by a test."""

from __future__ import annotations

from app.web.openapi.job_examples import JOB_EXAMPLES
from app.web.openapi.operator_examples import OPERATOR_EXAMPLES

EXAMPLES = {**JOB_EXAMPLES, **OPERATOR_EXAMPLES}
