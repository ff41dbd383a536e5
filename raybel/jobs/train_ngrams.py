"""Training jobs: the n-gram generator."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field

from raybel import corpus, storage
from raybel.bioc import ReadOptions
from raybel.candidates.base import Cached, Generator
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.vectorizer import NgramParameters
from raybel.config import one_or_more
from raybel.corpus import SUFFIXES
from raybel.errors import InputError
from raybel.metrics import gold_ranks, summarise
from raybel.ontology import Ontology


@dataclass(frozen=True)
class TrainNgramsConfig:
    """Training of the n-gram generator.

    Args:
        ontology: What to link to.
        output_dir: The model directory.
        train_corpus: BioC files whose mentions become aliases, if the parameters say so.
        val_corpus: BioC files to measure recall on.
        parameters: Hyper-parameters.
        expand_abbreviations: Put long forms in the place of short forms, in the training aliases too.
        top_k: Candidates for "recall@all".
        metric_file: Where to write the scores and times (JSON).
    """

    ontology: str
    output_dir: str
    train_corpus: tuple[str, ...] = ()
    val_corpus: tuple[str, ...] = ()
    parameters: NgramParameters = field(default_factory=NgramParameters)
    expand_abbreviations: bool = True
    top_k: int = 50
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")


@dataclass
class Trained:
    """What training gave: recall per split (None: no linkable mention there), counts and times."""

    fingerprint: str
    scores: dict[str, dict[str, float | None]]
    mentions: dict[str, int]
    left_out: dict[str, int]
    alias_rows: int
    training_aliases: int
    seconds: float


def train_ngrams(config: TrainNgramsConfig) -> Trained:
    """Train the n-gram generator, measure its recall on both corpora, write the model directory.

    Mentions count as the default scoring policy says: those with a single id that the ontology knows. With training
    aliases the score on the training corpus says little: its own mentions are in the model.

    Raises:
        InputError: A corpus or the ontology can't be read.
        ConfigError: Nothing to train on.
    """
    ontology = Ontology.open(config.ontology)
    begun = time.perf_counter()
    read = read_splits({"train": config.train_corpus, "val": config.val_corpus}, ontology, config.expand_abbreviations)
    training = read["train"][0] if "train" in read else []
    model = NgramGenerator.build(ontology, config.parameters, training)
    seconds = time.perf_counter() - begun
    scores = {name: recall(model, mentions, config.top_k) for name, (mentions, _) in read.items()}
    extra = {"expand_abbreviations": config.expand_abbreviations, "scores": scores}
    fingerprint = model.save(config.output_dir, extra)
    trained = Trained(
        fingerprint,
        scores,
        {name: len(mentions) for name, (mentions, _) in read.items()},
        {name: left_out for name, (_, left_out) in read.items()},
        model.aliases.table.num_rows,
        model.aliases.training_pairs,
        seconds,
    )
    if config.metric_file:
        value = {"scores": scores, "mentions": trained.mentions, "training_seconds": seconds}
        storage.publish_json(config.metric_file, {**value, "parameters": asdict(config.parameters)})
    return trained


Mentions = tuple[list[tuple[str, int]], int]


def read_splits(splits: dict[str, tuple[str, ...]], ontology: Ontology, expand: bool) -> dict[str, Mentions]:
    """Read the corpora that are given by name, as `linkable` does.

    Raises:
        InputError: No mention of the training corpus can be linked.
    """
    read = {name: linkable(paths, ontology, expand) for name, paths in splits.items() if paths}
    if "train" in read and not read["train"][0]:
        raise InputError(
            f"no mention has a single id that {ontology.path} knows: are corpus and ontology of the same kind?",
            path=", ".join(splits["train"]),
        )
    return read


def recall(generator: Generator, mentions: list[tuple[str, int]], top_k: int) -> dict[str, float | None]:
    """Return a generator's recall at several depths on (surface, concept index) of mentions; None without mentions."""
    found = Cached(generator, top_k).search([surface for surface, _ in mentions])
    return summarise(gold_ranks([each["concept"].tolist() for each in found], [[c] for _, c in mentions]))


def linkable(paths: tuple[str, ...], ontology: Ontology, expand: bool) -> Mentions:
    """Return (surface, concept index) of each mention with a single id that the ontology knows, and how many others."""
    uris = [path for path, _ in storage.expand(paths, SUFFIXES)]
    surfaces, ids, left_out = [], [], 0
    for row in corpus.iterate(uris, ReadOptions(expand_abbreviations=expand)):
        for mention in row.mentions:
            gold = mention["gold"]
            if gold is not None and len(gold) == 1:
                surfaces.append(mention["surface"])
                ids.append(gold[0])
            else:
                left_out += 1
    rows = ontology.indices(ids).tolist() if ids else []
    rows = [row if row >= 0 else ontology.alternatives.get(one, -1) for row, one in zip(rows, ids, strict=True)]
    known = [(surface, row) for surface, row in zip(surfaces, rows, strict=True) if row >= 0]
    return known, left_out + len(rows) - len(known)
