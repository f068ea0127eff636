"""The topics of pixstream: declared, planned, changed, and the ACLs that they need."""
