"""Benchmarks beside peers: one command each, results as JSON."""
