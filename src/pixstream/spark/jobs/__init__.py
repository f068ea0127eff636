"""The tasks of the bundle's jobs, one module each: entry points of the group `pixstream.jobs`.

Each has a function `main()` that reads its options from the command line: Databricks calls it in a
Python wheel task, `pixstream jobs run` on this machine.
"""
