"""Breaks a running pipeline on purpose, and proves that nothing was lost, doubled or altered.

`oracle` issues numbered facts whose payload follows from their number; `sources` tell them to every
producer and note what was acknowledged; `storm` decides which fault strikes when and `faults` are
what strikes, through `site` (the pipeline's processes, broker and disk) and `proxy` (its
connections); `verdict` reads tables and dead letters and compares; `run` puts it all together.
"""
