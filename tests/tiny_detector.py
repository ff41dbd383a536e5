"""Small token classifiers with random weights, as Hugging Face directories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tiny_model import make_encoder

from raybel.encoders import token_models

LABELS = ("O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease")


def make_detector(home: Path, labels: Sequence[str] = LABELS, seed: int = 0) -> Path:
    """Its labels are as good as random, but many words are in mentions."""
    base = make_encoder(home.parent / f"{home.name}-base", seed)
    torch.manual_seed(seed)
    model, tokenizer = token_models.load(base, head=False, labels=labels)
    with torch.no_grad():
        model.classifier.weight.mul_(8)
    model.save_pretrained(home)
    tokenizer.save_pretrained(home)
    return home
