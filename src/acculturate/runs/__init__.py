"""A run directory: its records, who writes it, who reads it."""
