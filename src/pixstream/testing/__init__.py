"""What tests of pixstream, and of plugins for it, are written with."""
