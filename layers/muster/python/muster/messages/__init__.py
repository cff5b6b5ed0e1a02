"""Pydantic payloads that cross a boundary, parsed once, at the edge."""
