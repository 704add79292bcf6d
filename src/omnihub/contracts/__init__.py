"""The contract: Avro codec, schema registry, topics and compatibility."""
