"""The job that links a corpus."""
