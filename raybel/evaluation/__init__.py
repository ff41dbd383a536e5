"""Scores: predictions against a gold corpus, under a stated policy."""
