"""Bank API: asks a bank's API Pix for what was received."""
