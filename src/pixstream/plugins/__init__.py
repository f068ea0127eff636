"""The contracts of the plugins: what a source, a destination or a processor promises."""
