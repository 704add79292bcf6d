"""Acceptance kit for connectors, version 1: `Subject` says what is tested, the suites test it."""
