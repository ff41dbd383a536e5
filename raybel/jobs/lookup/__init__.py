"""The job that finds candidates for a corpus's distinct surfaces."""
