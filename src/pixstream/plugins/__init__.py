"""The contracts of plugins: producers read a source, consumers write to a destination.

A plugin only reads or writes. Batching, retries, back-off, positions, offsets, pseudonyms, dead
letters, logs and shutdown belong to the framework (`loops`). A plugin is one folder of `producers/`
or `consumers/` with exactly one class, and one YAML section, whose keys are the class's fields.
"""
