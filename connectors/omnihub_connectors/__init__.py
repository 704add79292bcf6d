"""The OmniHub connector catalogue: one folder a system."""
