"""The webhook producer, which receives the callbacks of API Pix."""
