"""Examples as token ids: contexts narrowed around mentions, names that can't make slots, score tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from raybel.corpus.typography import fold
from raybel.errors import ConfigError
from raybel.rerank.details import NO_DETAILS, Details
from raybel.rerank.examples import Example
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import PriorFeatures

#: Texts whose token ids are cached; about 500 bytes each.
CACHE = 200_000
#: With fewer positions there is no room for context, mention and candidate.
MIN_WINDOW = 32
#: The most tokens of a sequence where `max_length` isn't given.
DEFAULT_WINDOW = 512
#: What stands before each kind of text that a candidate's block shows after the name.
SEPARATORS = {"alias": ";", "names": ";", "types": "|", "parents": "<", "definition": ":"}
#: The tokens that stand for the first stage's score; they are added to vocabularies that don't have them.
SCORE_TOKENS = tuple(f"[unused{number}]" for number in range(10))
#: Those that stand for a concept's training mentions: none, 1, 2 to 3, 4 to 7, and so on, 32 and more.
FREQUENCY_TOKENS = tuple(f"[unused{number}]" for number in range(10, 17))


@dataclass(slots=True)
class TokenisedExample:
    """An example as token ids, without special tokens.

    Args:
        context: The context, or the part of it around the mention.
        group: Identifies the context and the part of it; mentions of the same group share both.
        mention: The mention, at most an eighth of the window.
        candidates: What is shown of each candidate, with mask and score token at most a quarter of the window.
        scores: The first stage's score of each candidate, float32.
        gold: The place of the right candidate; -1 where it isn't among them.
        truncated: How many of mention and candidates were too long, and cut; definitions, which take what room there
            is, aside.
        sure: In training, whether the first stage settles it.
        siblings: In training, whether each candidate shares a parent with the right one; [] where none does.
        known: What a prior weighs of its candidates; None where there is none.
        prior: In training, a prior's evidence for each candidate, float32; None where there is none.
    """

    context: list[int]
    group: tuple[int, ...]
    mention: list[int]
    candidates: list[list[int]]
    scores: np.ndarray
    gold: int = -1
    truncated: int = 0
    sure: bool = False
    siblings: list[bool] = field(default_factory=list)
    known: PriorFeatures | None = None
    prior: np.ndarray | None = None


class Tokens:
    """Makes token ids of examples.

    Args:
        tokenizer: A fast one with a mask token; score tokens are added where it lacks them.
        positions: Number of positions that the model has.
        parameters: They say what a candidate's block shows, and how long a sequence may be.
        edges: The scores that separate the ten score tokens, increasing.

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
            raise ConfigError("the model has no fast tokenizer (tokenizer.json), which gives the tokens' offsets")
        self.length = min(positions, parameters.max_length or DEFAULT_WINDOW)
        if self.length < MIN_WINDOW:
            raise ConfigError(f"sequences of {self.length} tokens are too short: at least {MIN_WINDOW} are needed")
        self.tokenizer, self.parameters, self.edges = tokenizer, parameters, np.asarray(edges, np.float32)
        self.start = [_first(tokenizer.cls_token_id, tokenizer.bos_token_id, tokenizer.mask_token_id)]
        self.sep = _first(tokenizer.sep_token_id, tokenizer.eos_token_id, tokenizer.mask_token_id)
        self.mask = int(tokenizer.mask_token_id)
        self.pad = _first(tokenizer.pad_token_id, self.sep)
        usable = self.length - 3
        self.max_context, self.max_mention, self.max_candidate = usable // 2, usable // 8, usable // 4
        self.score_ids = special_ids(tokenizer, SCORE_TOKENS) if parameters.score_token else []
        self.frequency_ids = special_ids(tokenizer, FREQUENCY_TOKENS) if parameters.frequency_token else []
        self._cache: dict[str, list[int]] = {}
        self._separators = dict(zip(SEPARATORS, self._tokenise(list(SEPARATORS.values()))["input_ids"], strict=True))

    def _tokenise(self, texts: list[str]) -> Any:
        """Tokenise texts, typography folded: what looks like a special token is split, so that it can't make a slot."""
        return self.tokenizer(
            [fold(text) for text in texts],
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
        )

    def text_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Return the token ids of names, aliases or mentions, [] for None; the last `CACHE` texts are remembered."""
        known = self._cache
        unknown = sorted({text for text in texts if text is not None and text not in known})
        fresh = dict(zip(unknown, self._tokenise(unknown)["input_ids"], strict=True)) if unknown else {}
        ids = [[] if text is None else fresh[text] if text in fresh else known[text] for text in texts]
        known.update(fresh)
        while len(known) > CACHE:
            del known[next(iter(known))]
        return ids

    def __call__(self, examples: Sequence[Example]) -> list[TokenisedExample]:
        """Return each example as token ids."""
        distinct = list(dict.fromkeys(example.context for example in examples))
        encoded = self._tokenise(distinct) if distinct else {"input_ids": [], "offset_mapping": []}
        contexts = {
            text: (ids, [start for start, _ in spans])
            for text, ids, spans in zip(distinct, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        }
        mentions = self.text_ids([example.mention for example in examples])
        shown = [candidate for example in examples for candidate in self._shown(example)]
        ids_of_texts = iter(self.text_ids([text for candidate in shown for _, text in candidate]))
        before = [self._before(more) for e in examples for more in e.details or [NO_DETAILS] * len(e.names)]
        joined = iter(
            [
                self._joined([(kind, next(ids_of_texts)) for kind, _ in candidate], ids)
                for candidate, ids in zip(shown, before, strict=True)
            ]
        )
        tokenised = []
        for example, mention in zip(examples, mentions, strict=True):
            ids, starts = contexts[example.context]
            low, high = self._window(starts, example)
            candidates = [next(joined) for _ in example.names]
            tokenised.append(
                TokenisedExample(
                    ids[low:high],
                    (*example.group, low, high),
                    mention[: self.max_mention],
                    [candidate for candidate, _ in candidates],
                    example.candidates["score"],
                    example.gold,
                    (len(mention) > self.max_mention) + sum(cut for _, cut in candidates),
                    example.sure,
                    example.siblings,
                    example.known,
                )
            )
        return tokenised

    def _shown(self, example: Example) -> Iterator[list[tuple[str, str]]]:
        """Yield the texts that each candidate's block shows, and their kinds, in order."""
        details = example.details or [NO_DETAILS] * len(example.names)
        for name, alias, more in zip(example.names, example.aliases, details, strict=True):
            texts = [("name", name)]
            if self.parameters.alias and alias:
                texts.append(("alias", alias))
            for kind in ("names", "types", "parents"):
                texts += [(kind, text) for text in getattr(more, kind)]
            if more.definition:
                texts.append(("definition", more.definition))
            yield texts

    def _before(self, details: Details) -> list[int]:
        """Return what stands before a candidate's texts: the token for its training mentions, if there are such."""
        if not self.frequency_ids:
            return []
        return [self.frequency_ids[min(details.mentions.bit_length(), len(self.frequency_ids) - 1)]]

    def _joined(self, texts: list[tuple[str, list[int]]], before: list[int]) -> tuple[list[int], bool]:
        """Return the token ids of what a candidate's block shows, and whether something of it had to be cut.

        Name and alias are cut where they are too long; what follows is there whole, up to the first text that there is
        no room for. A definition, which comes last, takes as much room as there is.

        Args:
            texts: The kind and the token ids of each.
            before: Token ids that come first.
        """
        ids = [*before]
        for kind, of_text in texts:
            separator = self._separators.get(kind, [])
            room = self.max_candidate - 2 - len(ids)
            if kind == "definition":
                of_text = of_text[: max(0, min(self.parameters.definition, room - len(separator)))]
            part = [*separator, *of_text] if of_text else []
            if len(part) > room:
                return [*ids, *(part[:room] if kind in ("name", "alias") else [])], True
            ids += part
        return ids, False

    def blocks(self, example: TokenisedExample) -> list[list[int]]:
        """Return each candidate's block: mask, score token if there are any, and what is shown of it."""
        if not self.score_ids:
            return [[self.mask, *candidate] for candidate in example.candidates]
        ranges = np.searchsorted(self.edges, example.scores, side="right").clip(0, len(self.score_ids) - 1)
        ids = [self.score_ids[number] for number in ranges.tolist()]
        return [[self.mask, score_id, *candidate] for score_id, candidate in zip(ids, example.candidates, strict=True)]

    def _window(self, starts: list[int], example: Example) -> tuple[int, int]:
        """Return which tokens of a context are used for a mention: all, or a window around it.

        The window depends on nothing but the mention's place; windows start at multiples of half their length, so that
        mentions near each other share one.

        Args:
            starts: Where each of the context's tokens starts in its folded text (code points).
            example: Says where the mention starts.
        """
        most, size = self.max_context, len(starts)
        if size <= most:
            return 0, size
        place = len(fold(example.context[: example.start]))
        token = int(np.searchsorted(np.asarray(starts), place, side="right")) - 1
        half = most // 2
        low = min(max(0, round((token - half) / half) * half), size - most)
        return low, low + most


def _first(*ids: int | None) -> int:
    """Return the first id that there is."""
    return next(int(token) for token in ids if token is not None)


def special_ids(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str]) -> list[int]:
    """Return the ids of tokens that stand for numbers; those that the vocabulary lacks are added to it."""
    vocabulary = tokenizer.get_vocab()
    if not all(token in vocabulary for token in tokens):
        tokenizer.add_tokens([token for token in tokens if token not in vocabulary], special_tokens=True)
        vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in tokens]


def score_edges(scores: np.ndarray) -> list[float]:
    """Return the nine scores between ten equally frequent ranges of first-stage scores; fewer where scores repeat."""
    if not len(scores):
        return []
    return sorted({round(float(edge), 6) for edge in np.quantile(scores, np.arange(1, 10) / 10)})
