"""An asynchronous file-ingestion service: upload, get a job id at once, watch, come back to clean text."""
