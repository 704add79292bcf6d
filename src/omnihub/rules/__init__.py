"""Business rules: pure functions of event, rows and time given."""
