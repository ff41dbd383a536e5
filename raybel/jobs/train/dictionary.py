"""The training job of the dictionary."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.corpus.type_names import parse_type_names
from raybel.detection.annotated import AnnotatedDocument, read_corpus
from raybel.detection.base import Detector
from raybel.detection.dictionary import Dictionary, DictionaryFacts
from raybel.detection.training.scores import count_spans, score_table
from raybel.files import tables
from raybel.jobs.train.config import TrainDictionaryConfig
from raybel.ontology import Ontology

_LOG = logging.getLogger(__name__)


@dataclass
class TrainedDictionary:
    """What training gave.

    Args:
        fingerprint: Of the dictionary.
        types: Of the mentions that it finds.
        facts: What it was made of.
        documents: Number of training documents.
        mentions: Number of mentions in them that count.
        seconds: Of reading and training.
        validation: What was found of the validation corpora; None without any. `corpora`: what was counted of each;
            `scores`: strict precision, recall and F1 by type, of all of them; `by_corpus`: the same of each.
    """

    fingerprint: str
    types: tuple[str, ...]
    facts: DictionaryFacts
    documents: int
    mentions: int
    seconds: float
    validation: dict[str, Any] | None


def train_dictionary(config: TrainDictionaryConfig) -> TrainedDictionary:
    """Make a dictionary of an ontology and, where there are any, of training mentions; write its directory.

    Raises:
        InputError: A corpus or the ontology can't be read, or a corpus has no mentions that count.
        ConfigError: No name remains.
    """
    ontology = Ontology.open(config.ontology)
    begun = time.perf_counter()
    names = parse_type_names(config.type_names)
    documents: list[AnnotatedDocument] = []
    if config.train_corpus:
        documents, counts = read_corpus(config.train_corpus, config.mentions, names)
        if counts.set_aside:
            _LOG.warning(counts.set_aside)
    dictionary = Dictionary.build(ontology, documents, config.parameters, config.type)
    seconds = time.perf_counter() - begun
    identity = {**reading_identity(config.mentions), "corpora": corpus_digests({"train": config.train_corpus})}
    parameters = {**identity, "type": config.type, "type_names": names}
    validation = _validated(dictionary, config, names) if config.val_corpus else None
    fingerprint = dictionary.save(config.output_dir, parameters, {"validation": validation} if validation else {})
    assert dictionary.facts is not None
    trained = TrainedDictionary(
        fingerprint,
        dictionary.types,
        dictionary.facts,
        len(documents),
        sum(len(document.mentions_with_text) for document in documents),
        seconds,
        validation,
    )
    if config.metric_file:
        value = {"facts": asdict(trained.facts), "mentions": trained.mentions, "training_seconds": seconds}
        value["validation"] = validation
        tables.write_values(config.metric_file, {**value, "parameters": asdict(config.parameters)})
    return trained


def _validated(detector: Detector, config: TrainDictionaryConfig, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what is found of the validation corpora; with `--type`, all that counts in them is of that type."""
    documents, corpora = [], []
    for number, path in enumerate(config.val_corpus):
        read, counts = read_corpus([path], config.mentions, names, number)
        if config.type is not None:
            kind = config.type
            read = [replace(each, mentions=tuple(replace(m, type=kind) for m in each.mentions)) for each in read]
            counts = replace(counts, types=(kind,), mentions=Counter({kind: counts.mentions.total()}))
        documents += read
        corpora.append(counts)
    found = detector.detect([document.passages for document in documents])
    counted = count_spans(documents, found, [counts.types for counts in corpora])
    return {
        "corpora": [counts.to_dict() for counts in corpora],
        "scores": score_table(counted),
        "by_corpus": [score_table([of_corpus]) for of_corpus in counted],
    }
