"""One process per configured component: the side of the child and that of the supervisor.

`component` is what a child runs, `lifeline` how it ends, `report` what it reports. `supervisor`
keeps the children running, `child` is its view of one of them, `replica_locks` keeps a second
supervisor from the same replica, `run_status` writes what `pixstream status` reads, and `run_lock`
is the kernel's lock that both use.
"""
