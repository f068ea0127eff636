"""The ISO 20022 producer, which reads a directory of SPI messages."""
