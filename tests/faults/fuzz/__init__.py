"""Seeded damage: good files that were altered go through the parser's child and through HTTP, and malformed requests to
every route of the running service."""
