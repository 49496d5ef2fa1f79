"""Kafka: what a record holds, which topics there are."""
