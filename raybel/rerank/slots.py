"""The last layer at the slots only: what it makes of other tokens nobody reads.

Attention still sees all tokens. What comes after it in a layer works on each token by itself, and is three quarters of
a layer's work. It is left out where a model's layers are built like BERT's (BERT, RoBERTa, ELECTRA and their kin); of
MiniLM's six layers that saves a tenth of the time, and changes no bit.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch

from raybel.rerank.batching import Batch


def last_output(model: torch.nn.Module) -> torch.nn.Module | None:
    """Return what the last layer's attention ends with; None where a model isn't built like BERT."""
    found = None
    for name, module in model.named_modules():
        if name.endswith(".attention.output"):
            found = module
    if found is None or list(inspect.signature(found.forward).parameters) != ["hidden_states", "input_tensor"]:
        return None
    return found


@contextlib.contextmanager
def only(output: torch.nn.Module, batch: Batch) -> Iterator[None]:
    """Have a model go on with a batch's slots alone: what comes out has the shape (1, slots, width)."""

    def chosen(_module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(each[batch.row, batch.column].unsqueeze(0) for each in args)

    handle = output.register_forward_pre_hook(chosen)
    try:
        yield
    finally:
        handle.remove()
