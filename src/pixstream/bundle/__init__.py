"""The jobs of a Databricks bundle: read, checked and run on this machine without a workspace.

A bundle (Declarative Automation Bundle) is a folder with `databricks.yml` and the files that it
includes; it defines the job graph that a workspace schedules. `pixstream jobs` runs the same graph
here, one task after another in one process, so that they share one Spark session.

A task of type `python_wheel_task` is a function that takes no argument, found among the entry
points of the group `pixstream.jobs` by its `entry_point`. It reads `sys.argv`, returns or exits
with 0 when it succeeded, and may pass on what it found: see `values`.
"""
