"""What Java programs need: a Java runtime and their pinned jars, cached per user."""
