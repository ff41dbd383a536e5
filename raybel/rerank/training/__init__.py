"""Training of cross-encoders: candidates that don't give away the answer, steps, epochs, validation."""
