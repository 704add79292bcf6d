"""Acceptance kit for connectors, version 1: `Subject` says what is tested, the suites test it."""

from omnihub.connect.personal import Tokens

TOKENS = Tokens(b"a secret for tests only")
"""Keyed hashes for tests of mappings: `Mapping(config, TOKENS)`."""

__all__ = ["TOKENS"]
