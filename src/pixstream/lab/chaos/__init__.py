"""Breaks a running pipeline on purpose, and proves that nothing was lost, doubled or altered.

`oracle` issues numbered facts whose payload follows from their number; `sources` tell them to every
producer and note what was acknowledged; `storm` strikes, through `site` (the pipeline's processes,
broker and disk) and `proxy` (its connections); `verdict` reads tables and dead letters and
compares. What the next start would heal in silence is seen by `supervised` (ends of the
supervisor), `crashes` (ends of components, in their logs) and `stalls` (tables that stand still);
`run` puts it all together.
"""
