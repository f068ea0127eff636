"""The laboratory: simulation, sandbox bank, embedded broker, demo and chaos test.

Outside this package, only the commands that start it import it.
"""
