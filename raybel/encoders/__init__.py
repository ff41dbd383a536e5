"""Pretrained models and their precision: what both stages load."""
