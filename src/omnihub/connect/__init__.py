"""Connector SDK and runtime."""
