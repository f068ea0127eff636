"""Requirements of programs on Java: a Java runtime, and their pinned jars, cached per user."""
