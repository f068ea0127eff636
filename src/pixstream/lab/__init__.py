"""The laboratory: simulation, sandbox bank, embedded broker, demo and chaos.

Nothing outside imports it but the commands that start it.
"""
