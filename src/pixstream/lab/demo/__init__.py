"""The demo: the whole pipeline against the sandbox bank, then a proof that the counts add up."""
