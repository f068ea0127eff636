"""The log of a Delta table on disk: its entries, their order, and what a power cut left of them."""
