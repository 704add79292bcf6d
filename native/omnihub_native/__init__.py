"""Avro types that read and write records as machine code; `omnihub.contracts.native` uses them."""
