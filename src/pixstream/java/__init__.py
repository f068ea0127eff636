"""What programs that run on Java need: a Java, and their jars, pinned and kept once per user."""
