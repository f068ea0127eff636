"""Serves HTTP: sockets, the server in its thread, and who can reach it."""
