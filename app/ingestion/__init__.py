"""The use cases, one verb per file: they orchestrate and hold no protocol details."""
