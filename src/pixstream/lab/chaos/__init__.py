"""The chaos test: it breaks a running pipeline and proves that nothing is lost, doubled or altered.

`oracle` issues numbered facts whose payload follows from their number. `sources` deliver them to
every producer and record what was acknowledged. `storm` injects faults through `site` (processes,
broker and disk of the pipeline) and `proxy` (its connections). `verdict` reads tables and dead
letters and compares. Failures that the next start would silently repair are detected by
`supervised` (exits of the supervisor), `crashes` (exits of components, from their logs) and
`stalls` (tables without progress). `run` combines them all.
"""
