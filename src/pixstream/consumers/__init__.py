"""Destinations of Pix events: one module each, named by its YAML `type`."""
