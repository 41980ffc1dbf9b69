"""Blind rating of pairs: people judge answers without knowing where these come from."""
