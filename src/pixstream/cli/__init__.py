"""The commands: one module per command, one folder per group; only this package exits."""
