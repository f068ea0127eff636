"""The demonstration: everything at once against the sandbox bank, then a proof that it adds up."""
