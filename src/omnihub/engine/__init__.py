"""Exactly-once stream processing over Kafka."""
