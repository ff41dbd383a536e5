"""Training a cross-encoder: cross-fitted candidates, steps, epochs, validation."""
