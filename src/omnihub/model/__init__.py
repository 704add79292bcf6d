"""Canonical records, ids, time and errors: the vocabulary that every other package shares."""
