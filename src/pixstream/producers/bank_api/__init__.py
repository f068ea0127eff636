"""The bank API producer, which polls a bank's API Pix for received Pix."""
