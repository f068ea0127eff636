"""The simulation: a seeded world of Pix traffic, and the documents that report it."""
