from dataclasses import dataclass

import numpy as np
import torch

from raybel.candidates.base import CANDIDATE_DTYPE
from raybel.rerank import model as models
from raybel.rerank.examples import Example
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens


@dataclass
class Kit:
    """A small model with everything that scores with it."""

    model: object
    tokenizer: object
    tokens: Tokens

    def scorer(self, crosstype, budget=256):
        return Scorer(CrossEncoder(self.model, crosstype, self.tokens.pad), crosstype, self.tokens, budget=budget)


def make_kit(home, **changed):
    torch.manual_seed(0)
    model, tokenizer = models.load(home, head=False, dropout=0.0)
    parameters = CrossEncoderParameters().changed(changed)
    tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, [0.25, 0.5])
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return Kit(model.eval(), tokenizer, tokens)


def candidates(names, scores=None):
    found = np.zeros(len(names), CANDIDATE_DTYPE)
    found["concept"] = np.arange(len(names))
    found["alias"] = -1
    found["score"] = np.linspace(1, 0.1, len(names)) if scores is None else scores
    return found


def example(mention, names, context=None, start=0, group=(0,), aliases=None, gold=-1):
    context = context if context is not None else f"{mention} in a case"
    return Example(context, start, group, mention, candidates(names), list(names), aliases or [None] * len(names), gold)
