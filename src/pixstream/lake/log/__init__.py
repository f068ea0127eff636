"""The Delta log on disk: its commit entries, their durability, and recovery after a power cut."""
