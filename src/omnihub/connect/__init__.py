"""Connector SDK and runtime."""

from omnihub.connect.personal import Tokens, cart_id_of, contact_of, order_id_of

__all__ = ["Tokens", "cart_id_of", "contact_of", "order_id_of"]
