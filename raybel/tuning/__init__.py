"""What a tuning sweep searches, how it searches, and what it found; knows nothing of Ray."""
