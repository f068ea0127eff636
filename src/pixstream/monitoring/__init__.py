"""Servers that show what pixstream does: what is put into them, and how it gets there."""
