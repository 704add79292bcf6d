"""The composition root: from a configuration to running parts. The only place that knows all.

Guarantees: construction only; every part gets what it needs as arguments. Modules import what
their process needs and no more, so that a worker is up before an API would be imported.
"""
