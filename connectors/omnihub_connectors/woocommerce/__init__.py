"""WooCommerce: products in, stock levels out."""
