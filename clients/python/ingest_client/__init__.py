"""A small client of the file ingestion service, of the standard library alone: upload, watch, fetch the text."""

from .client import Client
from .documents import (
    Accepted,
    Error,
    Event,
    File,
    Page,
    Progress,
    Result,
    Status,
    Summary,
    Timestamps,
    Waiting,
    Warning,
)
from .transport import IngestError

__all__ = [
    "Accepted",
    "Client",
    "Error",
    "Event",
    "File",
    "IngestError",
    "Page",
    "Progress",
    "Result",
    "Status",
    "Summary",
    "Timestamps",
    "Waiting",
    "Warning",
]
