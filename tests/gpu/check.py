"""What must hold on a GPU: scores, vectors and mentions are those of a CPU in fp32, whatever shares their batch.

Each check returns its figures and raises `CheckError` where something doesn't hold. Without a GPU they compare the CPU
with itself, which proves the checks. Heads are untrained, so that a mention's candidates may score nearly the same: the
share of mentions with the same first candidate is told, and not asked for.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from gpu.synthetic import Lab, build_detector, build_scorer, documents, examples, names
from small_memory import small_memory

from raybel.encoders import device_errors
from raybel.encoders.text_encoder import TextEncoder
from raybel.rerank.parameters import CROSSTYPES
from raybel.rerank.scoring import Scorer, TreeAttention

#: How far logits, which spread by about 3, may be from a CPU's in fp32: in fp32 (without TF32), and in bf16.
LOGITS = {"fp32": 1e-3, "bf16": 1.5}
#: The least correlation of all logits with the CPU's.
CORRELATION = {"fp32": 0.99999, "bf16": 0.98}
#: How far a logit may depend on what shares its batch.
BATCH = {"fp32": 1e-4, "bf16": 1.5}
#: How far components of unit vectors, and probabilities of labels, may be from the CPU's.
VECTORS = {"fp32": 1e-4, "bf16": 0.02}
PROBABILITIES = {"fp32": 1e-3, "bf16": 0.5}
#: The least share of strings with the CPU's nearest neighbour, and of mentions that both find.
SAME = {"fp32": 0.99, "bf16": 0.8}
#: With less spread the logits would be alike whatever is computed.
LEAST_SPREAD = 0.5
Figures = dict[str, Any]


class CheckError(AssertionError):
    """Something doesn't hold on this device."""


def hold(condition: bool, message: str) -> None:
    """Raise `CheckError` where a condition doesn't hold."""
    if not condition:
        raise CheckError(message)


@contextlib.contextmanager
def exact_fp32() -> Iterator[None]:
    """Have products of fp32 matrices computed in fp32, not in TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def apart(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """Return the largest difference between arrays of the same shapes; infinite where one has no number."""
    hold([each.shape for each in some] == [each.shape for each in others], "shapes differ")
    largest = max((float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True) if a.size), default=0.0)
    return largest if np.isfinite(largest) else float("inf")


def scores(lab: Lab, crosstype: str) -> Figures:
    """Compare a type's logits with a CPU's: in fp32 and bf16, each way to attend, packed in each way."""
    context = {"passage": "passage", "document": "document"}.get(crosstype, "sentence")
    given = examples(lab.size(300), 10, context)
    figures: Figures = {"mentions": len(given), "apart": {}, "correlation": {}, "same_first": {}, "batch": {}}
    with exact_fp32():
        reference = build_scorer(lab, crosstype, context, device="cpu")
        tokenised = reference.tokens(given)
        wanted = reference.logits(tokenised)
        flat = np.concatenate(wanted)
        figures["spread"] = float(np.std(flat))
        hold(figures["spread"] > LEAST_SPREAD, f"logits spread by {figures['spread']:.3f} only")
        for precision in LOGITS:
            scorer = build_scorer(lab, crosstype, context, precision)
            ways: tuple[TreeAttention, ...] = ("mask", "reuse") if crosstype == "tree" else ("mask",)
            for way in ways:
                found = scorer.logits(tokenised, attention=way)
                label = f"{precision}, {way}"
                figures["apart"][label] = apart(found, wanted)
                same = [int(a.argmax()) == int(b.argmax()) for a, b in zip(found, wanted, strict=True)]
                figures["same_first"][label] = float(np.mean(same))
                figures["correlation"][label] = float(np.corrcoef(np.concatenate(found), flat)[0, 1])
                figures["batch"][label] = _batch_matters(scorer, tokenised, found, way)
                again = apart(scorer.logits(tokenised, attention=way), found)
                hold(again == 0, f"{label}: the same call gives other bits, {again:.2g} apart")
    for label, value in figures["apart"].items():
        precision = label.split(",")[0]
        hold(value <= LOGITS[precision], f"{label}: logits are {value:.2g} from the CPU's, of {LOGITS[precision]}")
        like = figures["correlation"][label]
        hold(like >= CORRELATION[precision], f"{label}: the correlation with the CPU's logits is {like:.4f}")
        moved = figures["batch"][label]
        hold(moved <= BATCH[precision], f"{label}: logits depend on the batch by {moved:.2g}")
    return figures


def _batch_matters(scorer: Scorer, tokenised: list[Any], found: list[np.ndarray], way: TreeAttention) -> float:
    """Return how far logits move in other batches: a few sequences at a time; half of the mentions alone."""
    budget, scorer.budget = scorer.budget, 1_024
    try:
        small = scorer.logits(tokenised, attention=way)
    finally:
        scorer.budget = budget
    moved = apart(small, found)
    if scorer.encoder.tree or scorer.crosstype == "base":  # in the others, mentions or candidates see each other
        half = len(tokenised) // 2
        moved = max(moved, apart(scorer.logits(tokenised[half:], attention=way), found[half:]))
    return moved


def vectors(lab: Lab) -> Figures:
    """Compare a text encoder's vectors with a CPU's; what else is encoded must not change a bit."""
    given = names(lab.size(2_000))
    figures: Figures = {"strings": len(given), "apart": {}, "same_nearest": {}}
    with exact_fp32():
        wanted = TextEncoder.load(lab.home, "mean", "fp32").encode(given)
        for precision, bound in VECTORS.items():
            encoder = TextEncoder.load(lab.home, "mean", precision, lab.device)
            found = encoder.encode(given)
            figures["apart"][precision] = value = apart([found], [wanted])
            hold(value <= bound, f"{precision}: vectors are {value:.2g} from the CPU's, more than {bound}")
            same = float(np.mean(_nearest(found) == _nearest(wanted)))
            figures["same_nearest"][precision] = same
            hold(same >= SAME[precision], f"{precision}: other nearest neighbours ({same:.3f} the same)")
            alone = encoder.encode(given[1::3])
            hold(alone.tobytes() == found[1::3].tobytes(), f"{precision}: what else is encoded changes a vector")
    return figures


def _nearest(vectors: np.ndarray) -> np.ndarray:
    near = vectors @ vectors.T
    np.fill_diagonal(near, -1)
    return near.argmax(1)


def mentions(lab: Lab) -> Figures:
    """Compare a token classifier's probabilities and mentions with a CPU's."""
    given = documents(lab.size(200))
    figures: Figures = {"documents": len(given), "apart": {}, "same_mentions": {}}
    with exact_fp32():
        reference = build_detector(lab, device="cpu")
        sentences = reference.tokeniser.sentences([text for document in given for text in document])
        ranges = [range(2 * number, 2 * number + 2) for number in range(len(given))]
        wanted, spans = [np.exp(each) for each in reference.word_scores(ranges, sentences)], _spans(reference, given)
        figures["mentions"] = len(spans)
        hold(len(spans) >= len(given), f"the CPU finds {len(spans)} mentions only")
        for precision, bound in PROBABILITIES.items():
            detector = build_detector(lab, precision)
            found = [np.exp(each) for each in detector.word_scores(ranges, sentences)]
            figures["apart"][precision] = value = apart(found, wanted)
            hold(value <= bound, f"{precision}: probabilities are {value:.2g} from the CPU's, more than {bound}")
            same = _spans(detector, given)
            share = len(same & spans) / len(same | spans)
            figures["same_mentions"][precision] = share
            hold(share >= SAME[precision], f"{precision}: other mentions ({share:.3f} the same)")
            half = given[len(given) // 2 :]
            alone = _spans(detector, half, len(given) - len(half))
            moved = alone ^ {each for each in same if each[0] >= len(given) - len(half)}
            hold(len(moved) <= (1 - SAME[precision]) * len(alone), f"{precision}: documents depend on each other")
    return figures


def _spans(detector: Any, given: list[list[str]], first: int = 0) -> set[tuple[int, int, int, int, str]]:
    return {
        (first + document, passage, each.start, each.end, each.type)
        for document, passages in enumerate(detector.detect(given))
        for passage, found in enumerate(passages)
        for each in found
    }


def too_little_memory(lab: Lab) -> Figures:
    """Have a batch not fit into the device's memory: it is halved, logged once, and every score is there."""
    figures: Figures = {}
    given = examples(lab.size(1_000), 10)
    ways: tuple[tuple[str, TreeAttention], ...] = (("base", "mask"), ("tree", "mask"), ("tree", "reuse"))
    for crosstype, way in ways:
        scorer = build_scorer(lab, crosstype)
        tokenised = scorer.tokens(given)
        wanted = scorer.logits(tokenised, attention=way)
        scorer.budget = 1 << 22
        with _logged() as messages, _small(lab, scorer.encoder.model, 500):
            found = scorer.logits(tokenised, attention=way)
        label = f"{crosstype}, {way}"
        figures[label] = {"apart": apart(found, wanted), "messages": messages}
        hold(len(messages) == 1, f"{label}: {len(messages)} messages on too little memory, not one")
        hold(figures[label]["apart"] <= LOGITS["fp32"], f"{label}: scores changed, or were lost")
    encoder, strings = TextEncoder.load(lab.home, "mean", "fp32", lab.device), names(lab.size(60_000))
    whole = encoder.encode(strings)
    encoder.batch_tokens = 1 << 20
    with _logged() as messages, _small(lab, encoder.model, 200):
        figures["encoder"] = {"apart": apart([encoder.encode(strings)], [whole]), "messages": messages}
    hold(len(messages) == 1, f"encoder: {len(messages)} messages on too little memory, not one")
    hold(figures["encoder"]["apart"] <= VECTORS["fp32"], "encoder: vectors changed, or were lost")
    return figures


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """Yield what is logged on too little memory, as in a new process."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger(device_errors.__name__)
    log.addHandler(handler)
    device_errors._TOLD.clear()
    try:
        yield messages
    finally:
        log.removeHandler(handler)


@contextlib.contextmanager
def _small(lab: Lab, model: Any, tokens: int) -> Iterator[None]:
    """Leave a GPU 500 MB beside what is in use; on a CPU, have the model refuse batches of more than some tokens."""
    if lab.device == "cpu":
        with small_memory(model, tokens):
            yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(lab.device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(lab.device) + 500e6) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


#: By name, the most important first.
CHECKS: dict[str, Callable[[Lab], Figures]] = {
    **{f"check {crosstype}": partial(scores, crosstype=crosstype) for crosstype in ("tree", *CROSSTYPES[:-1])},
    "check encoder": vectors,
    "check detector": mentions,
    "check memory": too_little_memory,
}
