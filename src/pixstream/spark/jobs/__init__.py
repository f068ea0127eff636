"""What the jobs of the bundle run, one module a task: entry points of the group `pixstream.jobs`.

Each has a function `main()` that reads its options from the command line: Databricks calls it so in
a Python wheel task, `pixstream jobs run` on this machine.
"""
