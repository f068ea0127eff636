"""The topics of pixstream: their declaration, the plan of changes, and the ACLs they need."""
