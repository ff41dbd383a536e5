"""Inputs of the sizes that linking has, made up: sentences, mentions, candidates, documents; and models for them."""

from __future__ import annotations

import string
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from raybel.candidates.base import CANDIDATE_DTYPE
from raybel.detection.token_classifier import TokenClassifier
from raybel.encoders import token_models
from raybel.encoders.precision import PRECISIONS
from raybel.rerank import model as models
from raybel.rerank.examples import Example
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import SCORE_TOKENS, Tokens

WORDS = (
    "the of and in to with a for was were that is by patients we from as on at an be this or which not cells are "
    "disease treatment study group after between clinical risk high levels results expression associated during "
    "protein increased blood data analysis significant cancer compared effect age human control years gene low all "
    "both than factors showed type normal response time acute chronic children severe lower cases early may had has "
    "been have no these two more other one also found used studies using role system model different activity well"
)
FRONT = "cardio hepato neuro gastro nephro dermato osteo myelo lympho pneumo entero angio broncho chondro"
MIDDLE = "myo sclero fibro lipo adeno hemo leuko thrombo cysto"
END = "pathy itis oma osis emia plasia trophy megaly algia ectasia"
KIND = "congenital familial hereditary malignant benign syndrome type deficiency disorder infantile juvenile"
COMMON, FRONTS, MIDDLES, ENDS, KINDS = (each.split() for each in (WORDS, FRONT, MIDDLE, END, KIND))
LABELS = ("O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease")
#: Sentences of each context.
SENTENCES = {"sentence": 1, "passage": 8, "document": 11}
#: First-stage scores between which the ranges of score tokens lie.
EDGES = [0.4, 0.6, 0.8]
#: How far the logits of random heads are made to spread (standard deviation), as a trained model's do.
SPREAD = 3.0
#: The share of tokens that a random detector has in mentions.
IN_MENTIONS = 0.15


@dataclass(frozen=True)
class Lab:
    """What checks and benchmarks are run with.

    Args:
        home: The directory of an encoder.
        device: `cpu` or a CUDA device.
        tiny: Whether inputs are few.
    """

    home: Path
    device: str
    tiny: bool = False

    def size(self, count: int) -> int:
        """Return how many inputs to make where a GPU gets `count`."""
        return max(16, count // 256) if self.tiny else count


def term(rng: np.random.Generator) -> str:
    """Return a word that tokenizers make several pieces of."""
    middle = str(rng.choice(MIDDLES)) if rng.random() < 0.2 else ""
    return f"{rng.choice(FRONTS)}{middle}{rng.choice(ENDS)}"


def name(rng: np.random.Generator) -> str:
    """Return a concept's name, of 2 to 6 words."""
    words = [term(rng), *(str(rng.choice(KINDS)) for _ in range(min(5, rng.geometric(0.6))))]
    rng.shuffle(words)
    return " ".join(words)


def names(count: int, seed: int = 0) -> list[str]:
    """Return distinct names."""
    rng, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < count:
        found[name(rng) if len(found) < 50_000 else f"{name(rng)} {len(found)}"] = None
    return list(found)


def sentence(rng: np.random.Generator, mentions: Sequence[str]) -> tuple[str, list[int]]:
    """Return a sentence of about 30 words, its mentions among them, and where these start."""
    words = [COMMON[number] for number in rng.integers(0, len(COMMON), rng.integers(16, 33))]
    for place in np.flatnonzero(rng.random(len(words)) < 0.08):
        words[place] = term(rng)
    places = sorted(rng.choice(len(words), len(mentions), replace=False).tolist())
    for shift, (place, mention) in enumerate(zip(places, mentions, strict=True)):
        words.insert(place + shift, mention)
    starts, at = [], 0
    for number, word in enumerate(words):
        if number in {place + shift for shift, place in enumerate(places)}:
            starts.append(at)
        at += len(word) + 1
    return " ".join(words) + ".", starts


def examples(mentions: int, top_k: int, context: str = "sentence", seed: int = 0) -> list[Example]:
    """Return mentions, one to three in a sentence, with candidates of which one in ten matched by an alias."""
    rng, pool = np.random.default_rng(seed), names(2_000, seed)
    made: list[Example] = []
    while len(made) < mentions:
        texts, starts, surfaces, size = [], [], [], 0
        for _ in range(SENTENCES[context]):
            found = [" ".join(pool[i].split()[:3]) for i in rng.integers(0, len(pool), rng.integers(1, 4))]
            text, places = sentence(rng, found)
            starts += [size + place for place in places]
            surfaces += found
            texts.append(text)
            size += len(text) + 1
        whole, group = " ".join(texts), (len(made),)
        made += [
            _example(rng, whole, start, group, surface, pool, top_k)
            for start, surface in zip(starts, surfaces, strict=True)
        ]
    return made[:mentions]


def _example(
    rng: np.random.Generator,
    text: str,
    start: int,
    group: tuple[int, ...],
    surface: str,
    pool: list[str],
    top_k: int,
) -> Example:
    assert text.startswith(surface, start)
    found = np.zeros(top_k, CANDIDATE_DTYPE)
    found["concept"] = rng.choice(len(pool), top_k, replace=False)
    found["score"] = np.sort(rng.random(top_k).astype(np.float32))[::-1]
    shown = [pool[number] for number in found["concept"]]
    aliases = [pool[int(rng.integers(len(pool)))] if rng.random() < 0.1 else None for _ in shown]
    return Example(text, start, group, surface, found, shown, aliases)


def documents(count: int, seed: int = 0) -> list[list[str]]:
    """Return documents as title and abstract, of about 350 words."""
    rng, pool = np.random.default_rng(seed), names(2_000, seed)

    def text() -> str:
        some = [pool[i] for i in rng.integers(0, len(pool), rng.integers(1, 4))]
        return sentence(rng, some)[0].capitalize()

    return [[text(), " ".join(text() for _ in range(10))] for _ in range(count)]


def build_model(home: Path, tiny: bool) -> Path:
    """Write an encoder of MiniLM's shape, or a tiny one, with random weights and a vocabulary for these inputs."""
    home.mkdir(parents=True, exist_ok=True)
    pieces = [*FRONTS, *(f"##{each}" for each in [*MIDDLES, *ENDS]), *COMMON, *KINDS]
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SCORE_TOKENS]
    vocabulary = list(dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *pieces]))
    (home / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab=str(home / "vocab.txt"), model_max_length=512).save_pretrained(home)
    torch.manual_seed(0)
    width, layers = (32, 2) if tiny else (384, 6)
    config = BertConfig(
        vocab_size=len(vocabulary) if tiny else 30_522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2 if tiny else 12,
        intermediate_size=4 * width,
        max_position_embeddings=512,
        initializer_range=0.3 if tiny else 0.08,  # so that inputs differ
    )
    BertModel(config).save_pretrained(home)
    return home


def unpack_model(parts: Sequence[Path], home: Path) -> Path:
    """Join the parts of a packed model directory (`prepare.py` makes them), and unpack it."""
    packed = home.parent / f"{home.name}.tar"
    with packed.open("wb") as whole:
        for part in parts:
            whole.write(part.read_bytes())
    with tarfile.open(packed) as archive:
        archive.extractall(home, filter="data")
    packed.unlink()
    return home


def build_scorer(
    lab: Lab, crosstype: str, context: str = "sentence", precision: str = "fp32", device: str | None = None
) -> Scorer:
    """Return a scorer with the encoder's weights and a random head, the same for every call."""
    parameters = CrossEncoderParameters(context=context).of_type(crosstype)  # type: ignore[arg-type]
    model, tokenizer = _with_random_head(lab.home, 2)
    tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, EDGES)
    model = model.to(device=device or lab.device, dtype=PRECISIONS[precision]).eval()
    return Scorer(CrossEncoder(model, crosstype, tokens.pad), crosstype, tokens, device or lab.device)


def build_detector(lab: Lab, precision: str = "fp32", device: str | None = None) -> TokenClassifier:
    """Return a token classifier with the encoder's weights and a random head, under which most tokens are outside."""
    model, tokenizer = _with_random_head(lab.home, LABELS)
    return TokenClassifier(model, tokenizer, precision=precision, device=device or lab.device)


def _with_random_head(home: Path, labels: int | Sequence[str]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, tokenizer = token_models.load(home, head=False, labels=labels)
    rng, pool = np.random.default_rng(0), names(64)
    texts = [f"{sentence(rng, [])[0]} {tokenizer.mask_token} {each}" for each in pool]
    given = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        read = given["input_ids"] == tokenizer.mask_token_id if labels == 2 else given["attention_mask"].bool()
        logits = model.eval()(**given).logits[read]
        against_first = logits[:, 1:] - logits[:, :1]
        scale = SPREAD / float(against_first.std())
        model.classifier.weight.mul_(scale)
        if labels != 2:
            model.classifier.bias[0] += scale * float(against_first.max(1).values.quantile(1 - IN_MENTIONS))
    return model, tokenizer
