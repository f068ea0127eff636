"""One process per configured component: the child's side and the supervisor's.

`component` is what a child runs, `lifeline` how it ends, `report` what it tells. `supervisor` keeps
the children running, `child` is one of them as it sees it, `replica_locks` keeps a second one out,
`run_status` is what `pixstream status` reads, `run_lock` the kernel's lock below both.
"""
