"""Kafka: the embedded broker, client settings, topics and the two ports Appender and Reader."""
