"""Parsers: convert bytes of a published format to drafts, without network, files or state."""
