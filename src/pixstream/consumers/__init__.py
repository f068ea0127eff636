"""Destinations of Pix events: one package each, named by its YAML `type`."""
