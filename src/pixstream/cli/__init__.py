"""The commands: one module a command, a folder a group; the only place that exits."""
