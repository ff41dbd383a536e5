"""First stage: candidates for surfaces."""
