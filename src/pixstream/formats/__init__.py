"""Parsers: bytes of one published format become drafts; no network, no files, no state."""
