"""How fast it is on a GPU, and what share of the card that is; sentence-transformers on the same card beside it.

A figure is the median of repeats after a warm-up, with all that the link job does per mention from text to score: token
ids, packing, copying, the model. Names' token ids are remembered, as in a job, where candidates come again and again;
contexts are always new. Beside it stands where the time goes, measured in a run of its own in which the CPU waits for
the GPU around the model: the model's rate is what is left if the CPU's part costs nothing.

Operations: twice the weights that a token meets in the layers (8 w^2 + 4 w f for width w and inner width f; the last
layer runs behind its attention at slots only), and 4 w for each token that a token attends to or that a mask hides from
it. Embeddings, norms and heads aren't counted, nor is padding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

import torch
from gpu.synthetic import Lab, build_detector, build_scorer, documents, examples, names

from raybel.detection.token_classifier import split_sentences
from raybel.encoders.precision import best_precision
from raybel.encoders.text_encoder import TextEncoder
from raybel.rerank.batching import collate
from raybel.rerank.packing import pack
from raybel.rerank.scoring import Scorer

#: bf16 operations per second of a card's matrix units, dense, as its maker states them, by a part of the card's name.
PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12}
REPEATS = 5
#: A case stops repeating after this many seconds.
CASE_SECONDS = 12.0
Figures = dict[str, Any]


def wait(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def measured(lab: Lab, run: Callable[[], Any]) -> Figures:
    """Return the seconds of a function, the median of repeats after a warm-up, and a GPU's peak memory in MB."""
    run()
    wait(lab.device)
    if lab.device != "cpu":
        torch.cuda.reset_peak_memory_stats(lab.device)
    taken: list[float] = []
    while len(taken) < (1 if lab.tiny else REPEATS) and (not taken or sum(taken) < CASE_SECONDS):
        begun = time.perf_counter()
        run()
        wait(lab.device)
        taken.append(time.perf_counter() - begun)
    figures: Figures = {"seconds": median(taken), "runs": [round(each, 4) for each in taken]}
    if lab.device != "cpu":
        figures["peak_mb"] = round(torch.cuda.max_memory_allocated(lab.device) / 1e6)
    return figures


def seconds_of(lab: Lab, run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a function takes once, and what it returns."""
    wait(lab.device)
    begun = time.perf_counter()
    result = run()
    wait(lab.device)
    return time.perf_counter() - begun, result


class Watched:
    """Adds up the time in some functions of an object while the context lasts, the CPU waiting for the GPU around each.

    Args:
        lab: Says which device.
        where: The object.
        functions: Their names.
    """

    def __init__(self, lab: Lab, where: Any, *functions: str) -> None:
        self.lab, self.where, self.functions, self.seconds = lab, where, functions, 0.0

    def __enter__(self) -> Watched:
        for name in self.functions:
            setattr(self.where, name, partial(self._timed, getattr(self.where, name)))
        return self

    def __exit__(self, *_raised: object) -> None:
        for name in self.functions:
            delattr(self.where, name)

    def _timed(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        seconds, result = seconds_of(self.lab, lambda: function(*args, **options))
        self.seconds += seconds
        return result


def operations(config: Any, sequences: Iterable[tuple[int, int, int]]) -> float:
    """Return the floating-point operations that sequences need in a model like BERT.

    Args:
        config: The model's.
        sequences: For each its tokens, the tokens that they attend to, and the tokens behind the last attention.
    """
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    total = 0.0
    for tokens, seen, last in sequences:
        total += layers * tokens * (6 * width**2 + 4 * width * seen)
        total += ((layers - 1) * tokens + last) * (2 * width**2 + 4 * width * inner)
    return total


def peak_of(device: str) -> float | None:
    """Return a card's peak; None for one that isn't known, and for a CPU."""
    if device == "cpu":
        return None
    card = torch.cuda.get_device_name(device)
    return next((value for name, value in PEAKS.items() if all(part in card for part in name.split())), None)


def share_of_peak(lab: Lab, rate: float) -> float | None:
    """Return the share of the card's bf16 peak that a rate of operations is; None for a card that isn't known."""
    peak = peak_of(lab.device)
    return None if peak is None else round(rate / peak, 4)


def rerank(
    lab: Lab, crosstype: str, top_k: int, context: str = "sentence", count: int = 8_192, budget: int | None = None
) -> Figures:
    """Measure a type of cross-encoder in bf16.

    Args:
        lab: What it is measured with.
        crosstype: The type.
        top_k: Candidates per mention.
        context: `sentence`, `passage` or `document`.
        count: Mentions.
        budget: Tokens per batch; None for the scorer's own.
    """
    precision = "bf16" if lab.device != "cpu" else best_precision("cpu")
    given, scorer = examples(lab.size(count), top_k, context), build_scorer(lab, crosstype, context, precision)
    scorer.budget = budget or scorer.budget
    figures = measured(lab, lambda: scorer.logits(scorer.tokens(given)))
    tokenise, tokenised = seconds_of(lab, lambda: scorer.tokens(given))
    way = scorer._attention(tokenised, None)
    put_together, sequences = seconds_of(lab, lambda: list(pack(crosstype, scorer.tokens, tokenised)))
    collated = seconds_of(lab, lambda: [collate(sequences[n : n + 32], 0) for n in range(0, len(sequences), 32)])[0]
    with Watched(lab, scorer.encoder, "_at_slots", "encode_contexts") as watched:
        whole = seconds_of(lab, lambda: scorer.logits(tokenised))[0]
    sizes, contexts = _sizes(scorer, tokenised, way)
    work = operations(scorer.encoder.model.config, [*sizes, *contexts])
    seconds, pairs = figures["seconds"], sum(len(each.names) for each in given)
    tokens = sum(size for size, _, _ in [*sizes, *contexts])
    return figures | {
        "precision": precision,
        "attention": way,
        "budget": scorer.budget,
        "mentions": len(given),
        "tokens_per_mention": round(tokens / len(given), 1),
        "mentions_per_s": round(len(given) / seconds, 1),
        "pairs_per_s": round(pairs / seconds, 1),
        "tokens_per_s": round(tokens / seconds),
        "share_of_peak": share_of_peak(lab, work / seconds),
        "teraflop": round(work / 1e12, 4),
        "split_s": {
            "token ids": round(tokenise, 4),
            "packing": round(put_together, 4),
            "tensors": round(collated, 4),
            "model": round(watched.seconds, 4),
            "the rest": round(max(whole - watched.seconds - put_together - collated, 0.0), 4),
        },
        "model_mentions_per_s": round(len(given) / watched.seconds, 1),
        "model_share_of_peak": share_of_peak(lab, work / watched.seconds),
    }


def _sizes(scorer: Scorer, tokenised: list[Any], way: str) -> tuple[list[Any], list[Any]]:
    """Return what `operations` needs of the sequences, and of contexts that go through the model by themselves."""
    if way != "reuse":
        length = max(scorer.tokens.length, scorer.budget) if way == "branches" else None
        made = pack(scorer.crosstype, scorer.tokens, tokenised, length=length)
        return [(len(each), len(each), len(each.slots)) for each in made], []
    apart = list(pack(scorer.crosstype, scorer.tokens, tokenised, together=False))
    contexts = {tokenised[each.owners[0][0]].group: each.context for each in apart}
    below = [(len(each) - each.context, len(each), len(each.slots)) for each in apart]
    return below, [(size, size, 0) for size in contexts.values()]


def their_pairs(lab: Lab, top_k: int, count: int, **options: Any) -> Figures:
    """Measure `sentence_transformers.CrossEncoder.predict` over the pairs of `base`.

    Args:
        lab: What it is measured with.
        top_k: Candidates per mention.
        count: Mentions.
        options: `batch_size` and `precision`, where they aren't the library's own.
    """
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(lab.home), num_labels=1, device=lab.device, model_kwargs=_precision(options))
    given = examples(lab.size(count), top_k)
    pairs = [
        (each.context, f"{each.mention} ; {name}" + (f" ; {alias}" if alias else ""))
        for each in given
        for name, alias in zip(each.names, each.aliases, strict=True)
    ]
    figures = measured(lab, lambda: model.predict(pairs, show_progress_bar=False, **options))
    seconds = figures["seconds"]
    return figures | {
        "mentions": len(given),
        "mentions_per_s": round(len(given) / seconds, 1),
        "pairs_per_s": round(len(pairs) / seconds, 1),
    }


def _precision(options: dict[str, Any]) -> dict[str, Any]:
    precision = options.pop("precision", None)
    return {} if precision is None else {"dtype": getattr(torch, precision)}


def encode(lab: Lab, count: int = 100_000, budget: int | None = None) -> Figures:
    """Measure the text encoder over distinct names.

    Args:
        lab: What it is measured with.
        count: Strings.
        budget: Tokens per batch; None for the encoder's own.
    """
    precision = "bf16" if lab.device != "cpu" else best_precision("cpu")
    encoder, given = TextEncoder.load(lab.home, "mean", precision, lab.device), names(lab.size(count))
    encoder.batch_tokens = budget or encoder.batch_tokens
    figures = measured(lab, lambda: encoder.encode(given))
    tokenise, ids = seconds_of(lab, lambda: encoder.token_ids(given))
    with Watched(lab, encoder, "_forward") as watched:
        whole = seconds_of(lab, lambda: encoder.encode(given))[0]
    work = operations(encoder.model.config, [(len(each), len(each), len(each)) for each in ids])
    seconds = figures["seconds"]
    rest = max(whole - tokenise - watched.seconds, 0.0)
    return figures | {
        "precision": precision,
        "budget": encoder.batch_tokens,
        "strings": len(given),
        "strings_per_s": round(len(given) / seconds, 1),
        "tokens_per_s": round(sum(map(len, ids)) / seconds),
        "share_of_peak": share_of_peak(lab, work / seconds),
        "split_s": {"token ids": round(tokenise, 4), "model": round(watched.seconds, 4), "the rest": round(rest, 4)},
        "model_strings_per_s": round(len(given) / watched.seconds, 1),
        "model_share_of_peak": share_of_peak(lab, work / watched.seconds),
    }


def their_strings(lab: Lab, count: int = 50_000, **options: Any) -> Figures:
    """Measure `sentence_transformers.SentenceTransformer.encode` over the same strings; see `their_pairs`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(lab.home), device=lab.device, model_kwargs=_precision(options))
    given = names(lab.size(count))
    figures = measured(lab, lambda: model.encode(given, show_progress_bar=False, normalize_embeddings=True, **options))
    return figures | {"strings": len(given), "strings_per_s": round(len(given) / figures["seconds"], 1)}


def detect(lab: Lab, count: int = 1_000) -> Figures:
    """Measure the token classifier over documents of title and abstract."""
    precision = "bf16" if lab.device != "cpu" else best_precision("cpu")
    detector, given = build_detector(lab, precision), documents(lab.size(count))
    figures = measured(lab, lambda: detector.detect(given))
    texts = [text for document in given for text in document]
    cut, spans = seconds_of(lab, lambda: [split_sentences(text) for text in texts])
    cuts = [text[start:end] for text, of_text in zip(texts, spans, strict=True) for start, end in of_text]
    tokenise, sentences = seconds_of(lab, lambda: detector.tokeniser.sentences(cuts))
    with Watched(lab, detector, "_forward") as watched:
        whole = seconds_of(lab, lambda: detector.detect(given))[0]
    sizes = [len(each.ids) + 2 for each in sentences]
    work = operations(detector.model.config, [(size, size, size) for size in sizes])
    seconds = figures["seconds"]
    return figures | {
        "precision": precision,
        "documents": len(given),
        "documents_per_s": round(len(given) / seconds, 1),
        "tokens_per_s": round(sum(sizes) / seconds),
        "share_of_peak": share_of_peak(lab, work / seconds),
        "split_s": {
            "sentences": round(cut, 4),
            "token ids": round(tokenise, 4),
            "model": round(watched.seconds, 4),
            "the rest": round(max(whole - cut - tokenise - watched.seconds, 0.0), 4),
        },
        "model_documents_per_s": round(len(given) / watched.seconds, 1),
    }
