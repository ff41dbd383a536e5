"""A token classifier: finds mentions by the labels that a Hugging Face model gives to tokens.

Windows of about one length go through the model together, each filled up to that length, which the window alone
decides, and in batches that have no fewer tokens than `MIN_TOKENS`: what is computed for a window doesn't depend on
what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raybel.corpus.text import sentences as split_sentences
from raybel.detection.abbreviations import judged_by_long_forms
from raybel.detection.base import Detection, Detector, at_least
from raybel.detection.decoding import Decoder
from raybel.detection.labels import Labels
from raybel.detection.model import KIND, Settings, fingerprint_of, read_settings
from raybel.detection.sequences import Piece, Sentence, Tokeniser
from raybel.encoders import pretrained, token_models
from raybel.encoders.device_errors import device_errors, in_halves
from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError
from raybel.files import storage, things
from raybel.reporting import tally

#: Tokens per batch. On a CPU more of them only cost cache.
CPU_TOKENS, GPU_TOKENS = 2_048, 32_768
#: A window is filled up to a multiple of this many tokens.
ROUND_UP = 8
#: With fewer tokens in a batch other kernels run, which round differently.
MIN_TOKENS = 512
#: Decimals of scores.
DECIMALS = 5
#: What a mention doesn't begin with, and doesn't end with.
_NOT_FIRST, _NOT_LAST = frozenset(",.;:!?/%)]}'\"”’-–—=<>*"), frozenset(",.;:!?/([{'\"“‘-–—=<>*")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))


class TokenClassifier(Detector):
    """Finds mentions with a token classifier; made by `load`.

    Args:
        model: A token classifier.
        tokenizer: The model's fast tokenizer.
        settings: How it was trained.
        precision: What weights are in and the model computes in; probabilities are in fp32 and better.
        device: `cpu` or a CUDA device.
        fingerprint: Of the model's files.

    Raises:
        ConfigError: Its labels aren't BIO labels, or its tokenizer doesn't say where its tokens are.
    """

    name = "token-classifier"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        settings: Settings | None = None,
        precision: str = "fp32",
        device: str = "cpu",
        fingerprint: str = "",
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        self.labels = Labels.parse(model.config.id2label)
        self.settings = settings or Settings()
        self.tokeniser = Tokeniser(tokenizer, token_models.window(model, tokenizer))
        self.decoder = Decoder(self.labels)
        if device == "cpu" and precision == "fp16":
            precision = "bf16"  # CPUs have no fp16 matrix instructions to speak of
        self.model = model.to(device=device, dtype=PRECISIONS[precision]).eval()
        self.device, self.precision, self.fingerprint = device, precision, fingerprint
        self.types = self.labels.types
        #: How it is combined with dictionaries: fingerprint of a dictionary -> rule, as JSON values.
        self.rules = self.settings.rules or {}
        self.least_scores = self.settings.least_scores
        self.batch_tokens = CPU_TOKENS if device == "cpu" else GPU_TOKENS

    @classmethod
    def load(
        cls, name_or_directory: str, device: str = "cpu", threads: int = 1, precision: str | None = None
    ) -> TokenClassifier:
        """Load any Hugging Face token classifier with BIO labels, ours included (safetensors only; no code is run).

        Args:
            name_or_directory: A directory, or a name on the Hugging Face hub.
            device: `cpu` or a CUDA device.
            threads: Of PyTorch, for this process, on a CPU.
            precision: `fp32`, `bf16` or `fp16`; None for `best_precision`.

        Raises:
            ConfigError: There is no such model; its labels aren't BIO labels; its tokenizer doesn't say where its
                tokens are.
            InputError: Files are missing or damaged, or its training isn't finished.
        """
        if storage.exists(name_or_directory):
            things.expect(name_or_directory, KIND, "encoder")
        home = pretrained.resolve(name_or_directory)
        settings = read_settings(str(home))
        try:
            model, tokenizer = token_models.load(home, head=True)
            if device == "cpu":
                torch.set_num_threads(threads)
            kind = precision or best_precision(device)
            return cls(model, tokenizer, settings, kind, device, fingerprint_of(Path(home), settings))
        except ConfigError as error:
            raise ConfigError(f"{name_or_directory}: {error}") from error

    def detect(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return for each document, for each of its passages, the mentions in it.

        Those of `possible` below the least score of their type, which training fitted, are left out.

        Raises:
            InputError: The model gives NaN or infinite scores.
            DeviceError: The GPU fails, or has too little memory.
        """
        return at_least(self.possible(documents), self.least_scores)

    def possible(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return for each document, for each of its passages, what may be a mention in it, however unsure.

        A mention's score is the probability that this very mention is there, as the model has it; a short form that the
        document defines is judged as its long form is (`judged_by_long_forms`). Spans are of whole words, without white
        space and without punctuation that hardly belongs to them (a comma, a bracket whose other half is outside).

        Raises:
            InputError: The model gives NaN or infinite scores.
            DeviceError: The GPU fails, or has too little memory for a single window.
        """
        places: list[tuple[int, int, int]] = []
        texts: list[str] = []
        ranges: list[range] = []
        for document, passages in enumerate(documents):
            first = len(texts)
            for passage, text in enumerate(passages):
                for start, end in split_sentences(text):
                    places.append((document, passage, start))
                    texts.append(text[start:end])
            ranges.append(range(first, len(texts)))
        sentences = self.tokeniser.sentences(texts)
        spans = self.decoder.decode(self.word_scores(ranges, sentences))
        found: list[list[list[Detection]]] = [[[] for _ in passages] for passages in documents]
        for (document, passage, base), text, sentence, of_sentence in zip(places, texts, sentences, spans, strict=True):
            for span in of_sentence:
                start, end = trim(text, int(sentence.starts[span.first]), int(sentence.ends[span.last]))
                if start < end:
                    score = round(span.probability, DECIMALS)
                    kind = self.types[span.type]
                    found[document][passage].append(Detection(base + start, base + end, kind, score, self.name))
        return [judged_by_long_forms(*document) for document in zip(documents, found, strict=True)]

    def word_scores(self, documents: Sequence[range], sentences: Sequence[Sentence]) -> list[np.ndarray]:
        """Return the log-probabilities of labels of each sentence's words: float32 (words, labels).

        Args:
            documents: The sentences of each document.
            sentences: All sentences.

        Raises:
            InputError: The model gives NaN or infinite scores.
            DeviceError: The GPU fails, or has too little memory for a single window.
        """
        width = len(self.labels.names)
        scores = [np.zeros((len(sentence.ids), width), np.float32) for sentence in sentences]
        windows = self.tokeniser.windows(documents, sentences, self.settings.context_tokens)
        for batch, ids, cases, mask in self._batches(windows, sentences):
            logits = self._forward(ids, cases, mask)
            for row, number in enumerate(batch):
                at = len(self.tokeniser.before)
                for piece in windows[number]:
                    own = slice(at + piece.own_start - piece.start, at + piece.own_end - piece.start)
                    scores[piece.sentence][piece.own_start : piece.own_end] = logits[row, own]
                    at += piece.end - piece.start
        return [of_tokens[sentence.tokens] for of_tokens, sentence in zip(scores, sentences, strict=True)]

    def _batches(
        self, windows: Sequence[list[Piece]], sentences: Sequence[Sentence]
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield windows of one rounded length: their numbers, token ids, cases, mask; each int64 (rows, tokens)."""
        filled = [self.tokeniser.window_ids(window, sentences) for window in windows]
        by_length: dict[int, list[int]] = {}
        longest = self.tokeniser.room + len(self.tokeniser.before) + len(self.tokeniser.behind)
        tally.add("tokens", sum(len(ids) for ids, _ in filled), "detection")
        for number, (ids, _) in enumerate(filled):
            by_length.setdefault(min(-(-len(ids) // ROUND_UP) * ROUND_UP, longest), []).append(number)
        for length in sorted(by_length, reverse=True):  # so that too little memory shows at once
            numbers = by_length[length]
            size = max(1, self.batch_tokens // length)
            least = -(-MIN_TOKENS // length)
            for start in range(0, len(numbers), size):
                batch = numbers[start : start + size]
                rows = max(least, len(batch)) if self.device == "cpu" else size
                shape = (rows, length)
                ids_of = np.full(shape, self.tokeniser.pad, np.int64)
                cases_of, mask_of = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
                for row in range(rows):
                    ids, cases = filled[batch[min(row, len(batch) - 1)]]  # filled up with copies of the last one
                    ids_of[row, : len(ids)], cases_of[row, : len(ids)], mask_of[row, : len(ids)] = ids, cases, 1
                tensors = [torch.from_numpy(each).to(self.device) for each in (ids_of, cases_of, mask_of)]
                yield batch, tensors[0], tensors[1], tensors[2]

    @torch.inference_mode()
    def _forward(self, ids: torch.Tensor, cases: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        """Return log-probabilities of labels: float32 (rows, tokens, labels)."""

        def forward(rows: Sequence[int]) -> np.ndarray:
            part = slice(rows[0], rows[-1] + 1)
            more = {"token_type_ids": cases[part]} if self.settings.case else {}
            logits = self.model(input_ids=ids[part], attention_mask=mask[part], **more).logits.float()
            of_part: np.ndarray = torch.log_softmax(logits, dim=-1).cpu().numpy()
            return of_part

        with device_errors(self.device):
            scores = np.concatenate(in_halves(range(len(ids)), forward, self.device))
        if not np.isfinite(scores).all():
            raise InputError(
                f"the token classifier gives NaN or infinite scores in {self.precision}: are its weights damaged?",
                path=str(self.model.config._name_or_path),
            )
        return scores


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without white space and punctuation at its ends; an empty one where nothing is left.

    A closing bracket at the end stays where its opening one is inside, and the other way round, unless the two enclose
    all the rest.

    Args:
        text: What the span is in.
        start: Its first code point.
        end: Behind its last one.
    """
    while start < end:
        inside = text[start:end]
        if inside[0].isspace() or inside[0] in _NOT_FIRST or _alone(inside, inside[0]):
            start += 1
        elif inside[-1].isspace() or inside[-1] in _NOT_LAST or _alone(inside, inside[-1]):
            end -= 1
        elif _enclosed(inside):
            start, end = start + 1, end - 1
        else:
            break
    return start, end


def _enclosed(text: str) -> bool:
    """Whether a text's first character is a bracket that is closed by the last one."""
    for opening, closing in _BRACKETS:
        if text[0] == opening and text[-1] == closing:
            depths = list(accumulate((character == opening) - (character == closing) for character in text))
            return 0 not in depths[:-1]
    return False


def _alone(text: str, bracket: str) -> bool:
    """Whether a character is a bracket that has no other half in a text."""
    for opening, closing in _BRACKETS:
        if bracket == opening:
            return closing not in text
        if bracket == closing:
            return opening not in text
    return False
