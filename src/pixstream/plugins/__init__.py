"""The contracts of plugins: what a source, a destination or a processor must do."""
