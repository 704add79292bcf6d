"""The app connector: a Segment-compatible HTTP API for apps and servers of the retailer."""
