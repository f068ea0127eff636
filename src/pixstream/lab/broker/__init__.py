"""The embedded broker: Apache Kafka itself, one node, for development, demo and tests."""
