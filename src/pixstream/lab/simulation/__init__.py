"""A seeded world of Pix traffic and the sandbox bank that serves it."""
