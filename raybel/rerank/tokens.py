"""Examples as token ids: contexts narrowed around their mentions, names that can't make slots, score tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from raybel.errors import ConfigError
from raybel.rerank.examples import Example
from raybel.rerank.parameters import CrossEncoderParameters

#: Names kept tokenised; about 500 bytes each.
CACHE = 200_000
#: Fewer positions hold no context, mention and candidate.
LEAST_WINDOW = 32
#: Longer sequences only where `max_length` says so.
USUAL_WINDOW = 512
#: Tokens that stand for the first stage's score, where the vocabulary has no unused ones.
SCORE_TOKENS = tuple(f"[unused{number}]" for number in range(10))


@dataclass(slots=True)
class Tokenised:
    """An example as token ids, without the special ones.

    Args:
        context: The part of the context that is used.
        group: Which context, and which part of it.
        mention: At most an eighth of the window.
        candidates: Name and alias of each, at most a quarter of the window with mask and score token.
        scores: The first stage's, float32.
        gold: Which candidate is right; -1 for none of them.
        cut: How many of mention and candidates were longer.
    """

    context: list[int]
    group: tuple[int, ...]
    mention: list[int]
    candidates: list[list[int]]
    scores: np.ndarray
    gold: int = -1
    cut: int = 0


class Tokens:
    """Makes token ids of examples.

    Args:
        tokenizer: A fast one with a mask token.
        positions: The model's window.
        parameters: What a candidate's block shows, and how long a sequence may be.
        edges: Score boundaries between the ten score tokens: float array, increasing.

    Raises:
        ConfigError: The tokenizer has no mask token, or the window is too small.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        positions: int,
        parameters: CrossEncoderParameters,
        edges: Sequence[float] = (),
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise ConfigError("the model's tokenizer has no mask token, at which scores are read: take a masked model")
        if not tokenizer.is_fast:
            raise ConfigError("the model has no fast tokenizer (tokenizer.json), which tells tokens' places")
        self.length = min(positions, parameters.max_length or USUAL_WINDOW)
        if self.length < LEAST_WINDOW:
            raise ConfigError(f"sequences of {self.length} tokens are too short: at least {LEAST_WINDOW} are needed")
        self.tokenizer, self.parameters, self.edges = tokenizer, parameters, np.asarray(edges, np.float32)
        self.start = [_first(tokenizer.cls_token_id, tokenizer.bos_token_id, tokenizer.mask_token_id)]
        self.sep = _first(tokenizer.sep_token_id, tokenizer.eos_token_id, tokenizer.mask_token_id)
        self.mask = int(tokenizer.mask_token_id)
        self.pad = _first(tokenizer.pad_token_id, self.sep)
        usable = self.length - 3
        self.most_context, self.most_mention, self.most_candidate = usable // 2, usable // 8, usable // 4
        self.score_ids = score_ids(tokenizer) if parameters.score_token else []
        self._known: dict[str, list[int]] = {}
        self._between = self._tokenise([";"])["input_ids"][0]

    def _tokenise(self, texts: list[str]) -> Any:
        """Text only: what looks like a special token is taken apart, so that a name can't make a slot."""
        return self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
        )

    def texts(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Return token ids of names and mentions; [] for None. Those seen before aren't tokenised again."""
        known = self._known
        unknown = sorted({text for text in texts if text is not None and text not in known})
        fresh = dict(zip(unknown, self._tokenise(unknown)["input_ids"], strict=True)) if unknown else {}
        found = [[] if text is None else fresh[text] if text in fresh else known[text] for text in texts]
        known.update(fresh)
        while len(known) > CACHE:
            del known[next(iter(known))]
        return found

    def __call__(self, examples: Sequence[Example]) -> list[Tokenised]:
        """Return each example as token ids."""
        distinct = list(dict.fromkeys(example.context for example in examples))
        held = self._tokenise(distinct) if distinct else {"input_ids": [], "offset_mapping": []}
        context = {
            text: (ids, [start for start, _ in spans])
            for text, ids, spans in zip(distinct, held["input_ids"], held["offset_mapping"], strict=True)
        }
        mentions = self.texts([example.mention for example in examples])
        names = iter(self.texts([name for example in examples for name in example.names]))
        aliases = iter(self.texts([a if self.parameters.alias else None for each in examples for a in each.aliases]))
        made = []
        for example, mention in zip(examples, mentions, strict=True):
            ids, starts = context[example.context]
            low, high = self._window(starts, example.start)
            shown = [self._shown(next(names), next(aliases)) for _ in example.names]
            most = self.most_candidate - 2
            made.append(
                Tokenised(
                    ids[low:high],
                    (*example.group, low, high),
                    mention[: self.most_mention],
                    [each[:most] for each in shown],
                    example.found["score"],
                    example.gold,
                    (len(mention) > self.most_mention) + sum(len(each) > most for each in shown),
                )
            )
        return made

    def _shown(self, name: list[int], alias: list[int]) -> list[int]:
        return [*name, *self._between, *alias] if alias else name

    def blocks(self, example: Tokenised) -> list[list[int]]:
        """Return each candidate's block: mask, score token if there are any, name and alias."""
        if not self.score_ids:
            return [[self.mask, *shown] for shown in example.candidates]
        step = np.searchsorted(self.edges, example.scores, side="right").clip(0, len(self.score_ids) - 1)
        marks = [self.score_ids[number] for number in step.tolist()]
        return [[self.mask, mark, *shown] for mark, shown in zip(marks, example.candidates, strict=True)]

    def _window(self, starts: list[int], place: int) -> tuple[int, int]:
        """Tokens of a context that are used for a mention at a place: all, or the window around it.

        It depends on nothing else than the mention's place; windows start at multiples of half their length, so that
        mentions near each other share one.
        """
        most, size = self.most_context, len(starts)
        if size <= most:
            return 0, size
        token = int(np.searchsorted(np.asarray(starts), place, side="right")) - 1
        half = most // 2
        low = min(max(0, round((token - half) / half) * half), size - most)
        return low, low + most


def _first(*ids: int | None) -> int:
    return next(int(one) for one in ids if one is not None)


def score_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of the ten score tokens: unused ones of the vocabulary, else added to it."""
    vocabulary = tokenizer.get_vocab()
    if not all(token in vocabulary for token in SCORE_TOKENS):
        tokenizer.add_tokens([token for token in SCORE_TOKENS if token not in vocabulary], special_tokens=True)
        vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in SCORE_TOKENS]


def score_edges(scores: np.ndarray) -> list[float]:
    """Return nine boundaries between ten equally frequent ranges of first-stage scores, fewer where scores repeat."""
    if not len(scores):
        return []
    return sorted({round(float(edge), 6) for edge in np.quantile(scores, np.arange(1, 10) / 10)})
