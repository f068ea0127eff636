"""The event in Arrow: its schema, decoding, new fields, revisions and merging."""
