"""Webhook: receives the callbacks of API Pix."""
