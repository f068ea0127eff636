"""The parts of the sandbox bank that make API Pix 2.9.0: endpoints, queries, errors, callbacks."""
