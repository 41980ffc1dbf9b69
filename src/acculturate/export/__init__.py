"""A run becomes an adapter that others can serve."""
