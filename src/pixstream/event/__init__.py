"""The Pix event: model, categories, identifiers, routing, sealing, and its record in Kafka."""
