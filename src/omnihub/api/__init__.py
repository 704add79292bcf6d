"""The HTTP API: stock, products, live events, webhooks in, and what operators need."""
