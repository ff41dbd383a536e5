"""The training job of the dictionary."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass

from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.corpus.type_names import parse_type_names
from raybel.detection.annotated import AnnotatedDocument, read_corpus
from raybel.detection.dictionary import Dictionary, DictionaryFacts
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
    """

    fingerprint: str
    types: tuple[str, ...]
    facts: DictionaryFacts
    documents: int
    mentions: int
    seconds: float


def train_dictionary(config: TrainDictionaryConfig) -> TrainedDictionary:
    """Make a dictionary of an ontology and, where there are any, of training mentions; write its directory.

    Raises:
        InputError: The corpus or the ontology can't be read, or the corpus has no mentions that count.
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
    fingerprint = dictionary.save(config.output_dir, {**identity, "type": config.type, "type_names": names})
    assert dictionary.facts is not None
    trained = TrainedDictionary(
        fingerprint,
        dictionary.types,
        dictionary.facts,
        len(documents),
        sum(len(document.names) for document in documents),
        seconds,
    )
    if config.metric_file:
        value = {"facts": asdict(trained.facts), "mentions": trained.mentions, "training_seconds": seconds}
        tables.write_values(config.metric_file, {**value, "parameters": asdict(config.parameters)})
    return trained
