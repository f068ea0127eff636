"""The operator's page: what a supervisor sees, in a browser, and what an operator may do there.

`server` opens it beside a supervisor. `app` has the routes, `guard` stands before them, `views`
answers them, and `live` sends figures as they change. A view never waits for Kafka or a table
itself: `calls` runs a command of pixstream in a process of its own, within limits, so that what
hangs, crashes or eats memory there leaves the supervisor alone, and the page does exactly what the
command line does, audit log included.
"""
