"""A real retailer's week as a play for OmniHub, and the independent ledger that judges it."""
