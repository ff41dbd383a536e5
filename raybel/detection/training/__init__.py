"""Training of a token classifier."""
