"""A small BERT with random weights, made from a configuration, as a Hugging Face directory."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

WIDTH = 16


def make_encoder(home: Path, seed: int = 0, width: int = WIDTH) -> Path:
    """Its vocabulary is characters, so that every string has tokens of its own."""
    home.mkdir(parents=True, exist_ok=True)
    letters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{each}" for each in letters)]
    (home / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab=str(home / "vocab.txt")).save_pretrained(home)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        initializer_range=0.5,  # so that strings differ
    )
    BertModel(config).save_pretrained(home)
    return home
