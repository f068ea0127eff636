"""The jobs of a Databricks bundle: read, checked and run on this machine without a workspace.

A bundle (Declarative Automation Bundle) is a folder with `databricks.yml` and the files that it
includes; it holds the job graph that a workspace schedules. Here the same graph is run by
`pixstream jobs`, one task after another in one process, so that one Spark session serves them all.

A task of type `python_wheel_task` is a function that takes no argument, found among the entry
points of the group `pixstream.jobs` by its `entry_point`. It reads `sys.argv`, returns or exits
with 0 when it succeeded, and may pass on what it found: see `values`.
"""
