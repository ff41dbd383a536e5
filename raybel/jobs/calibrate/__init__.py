"""The job that calibrates models that were made before."""
