"""The training jobs on Ray Train."""
