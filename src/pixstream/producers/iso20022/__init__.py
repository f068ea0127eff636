"""ISO 20022: reads a directory of SPI messages."""
