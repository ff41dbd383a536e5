"""Detectors: what finds mentions in text that nobody annotated."""
