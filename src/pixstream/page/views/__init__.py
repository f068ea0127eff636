"""What the page answers: a module a place, each with its routes."""
