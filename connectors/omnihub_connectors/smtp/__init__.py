"""SMTP: messages for buyers as e-mail."""
