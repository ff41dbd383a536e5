"""What cross-encoders are trained on, made once with Ray Data: candidates and token ids of every linkable mention.

Kept as Arrow files, one per chunk of documents, which the training workers memory-map and read in the order that each
epoch draws. (Ray Data's own streaming to several workers drops rows, to give each as many.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy

from raybel import artefacts, storage
from raybel.bioc import ReadOptions
from raybel.candidates.base import Generator
from raybel.candidates.loading import open_generator
from raybel.config import GeneratorPaths, Resources
from raybel.corpus import SUFFIXES
from raybel.errors import InputError
from raybel.jobs.datasets import Source, read_sources
from raybel.jobs.runtime import Plan, data_context, plan
from raybel.ontology import Ontology
from raybel.rerank.crossfit import labelled
from raybel.rerank.examples import Describer
from raybel.rerank.lessons import Lesson
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokenised, Tokens
from raybel.storage import join

#: Documents in a chunk.
CHUNK = 64
_CANDIDATES = pa.struct(
    [("tokens", pa.list_(pa.list_(pa.int32()))), ("scores", pa.list_(pa.float32())), ("gold", pa.int16())]
)
_LESSON = pa.struct([("context", pa.int32()), ("mention", pa.list_(pa.int32())), ("regimes", pa.list_(_CANDIDATES))])
_CONTEXT = pa.struct([("group", pa.list_(pa.int32())), ("tokens", pa.list_(pa.int32()))])
#: A row per document.
SCHEMA = pa.schema([("contexts", pa.list_(_CONTEXT)), ("lessons", pa.list_(_LESSON))])
_COUNTS = ("documents", "mentions", "left_out", "cut", "without_gold")
_ROW = pa.schema([("error", pa.string()), *((name, pa.int64()) for name in _COUNTS)])


@dataclass(frozen=True)
class FeatureConfig:
    """How features are made.

    Args:
        folder: Files go below it, into a directory for each split.
        ontology: What candidates refer to.
        generator: Finds them.
        base: Directory of the model whose tokenizer is used.
        positions: The model's window.
        parameters: Hyper-parameters.
        expand_abbreviations: Put the long form in the place of a short form that the document defines.
        resources: What the job takes of the cluster.
    """

    folder: str
    ontology: str
    generator: GeneratorPaths
    base: str
    positions: int
    parameters: CrossEncoderParameters
    expand_abbreviations: bool
    resources: Resources


def make(config: FeatureConfig, split: str, paths: tuple[str, ...], regimes: tuple[str, ...]) -> dict[str, int]:
    """Make the features of a split on the Ray that runs, unless they are there; return what was counted.

    Args:
        config: How.
        split: Name of the corpus.
        paths: BioC files.
        regimes: Which candidates; see `rerank.crossfit`.

    Raises:
        InputError: A file or document can't be read.
    """
    where = join(config.folder, split)
    done = join(where, "counts.json")
    if storage.exists(done):
        return dict(storage.read_json(done))
    options = ReadOptions(config.expand_abbreviations, sentences=True, chunk_documents=CHUNK)
    files = storage.expand(paths, SUFFIXES)
    with data_context():
        encodes = config.generator.dense_index is not None
        fitted = plan(config.resources, ray.cluster_resources(), encodes)
        sources = [Source(path, f"{number:05d}") for number, (path, _) in enumerate(files)]
        rows = read_sources(sources, options, fitted.cpus_per_task).map_batches(
            FeatureStage,
            fn_constructor_args=(config, where, regimes, fitted),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=min(fitted.actors, 8 * len(files))),
            num_cpus=fitted.cpus_per_actor,
            num_gpus=fitted.gpus_per_actor,
            max_restarts=config.resources.max_restarts,
            max_task_retries=config.resources.max_restarts,
        )
        counts = dict.fromkeys(_COUNTS, 0)
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in batch.to_pylist():
                if row["error"]:
                    raise InputError(row["error"])
                for name in _COUNTS:
                    counts[name] += row[name]
    storage.publish_json(done, counts)
    return counts


class FeatureStage:
    """Makes a chunk's features; one per actor."""

    def __init__(self, config: FeatureConfig, where: str, regimes: tuple[str, ...], fitted: Plan) -> None:
        self.config, self.where, self.regimes, self.fitted = config, where, regimes, fitted

    @cached_property
    def ontology(self) -> Ontology:
        """Memory-mapped."""
        return Ontology.open(self.config.ontology)

    @cached_property
    def generator(self) -> Generator:
        """Loaded with the first chunk: an error in a constructor would look like a worker's death."""
        return open_generator(self.ontology, self.config.generator, self.fitted.device, self.fitted.threads)

    @cached_property
    def describer(self) -> Describer:
        """Names of candidates."""
        return Describer(self.ontology, self.generator.alias_table)

    @cached_property
    def tokens(self) -> Tokens:
        """The base model's tokenizer."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(storage.localise(self.config.base), use_fast=True)
        return Tokens(tokenizer, self.config.positions, self.config.parameters)

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Write a chunk's features and return its counts."""
        counts: dict[str, Any] = {"error": chunk["error"][0].as_py(), **dict.fromkeys(_COUNTS, 0)}
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        rows = [
            dict(zip(("passages", "mentions", "error", "doc_id"), each, strict=True))
            for each in zip(
                *(pc.struct_field(documents, name).to_pylist() for name in ("passages", "mentions", "error", "doc_id")),
                strict=True,
            )
        ]
        path = chunk["path"][0].as_py()
        for row in rows:
            counts["error"] = counts["error"] or (row["error"] and f"{path}: {row['error']}")
        if not counts["error"]:
            table = self._features(rows, counts)
            name = f"{chunk['shard'][0].as_py()}-{chunk['chunk'][0].as_py():05d}.arrow"
            storage.publish(join(self.where, name), artefacts.arrow_bytes(table))
        return pa.Table.from_pylist([counts], schema=_ROW)

    def _features(self, documents: list[dict[str, Any]], counts: dict[str, Any]) -> pa.Table:
        parameters = self.config.parameters
        found = [
            labelled(
                documents, self.generator, self.ontology, self.describer, parameters.context, parameters.top_k, regime
            )
            for regime in self.regimes
        ]
        rows = []
        for number, document in enumerate(documents):
            tokenised = [self.tokens(each[number]) for each in found]
            contexts: dict[tuple[int, ...], int] = {}
            row: dict[str, list[Any]] = {"contexts": [], "lessons": []}
            for one in zip(*tokenised, strict=True):
                first = one[0]
                if first.group not in contexts:
                    contexts[first.group] = len(contexts)
                    row["contexts"].append({"group": list(first.group), "tokens": first.context})
                regimes = [{"tokens": t.candidates, "scores": t.scores.tolist(), "gold": t.gold} for t in one]
                row["lessons"].append({"context": contexts[first.group], "mention": first.mention, "regimes": regimes})
                counts["cut"] += first.cut
                counts["without_gold"] += first.gold < 0
            counts["mentions"] += len(row["lessons"])
            counts["left_out"] += len(document["mentions"]) - len(row["lessons"])
            rows.append(row)
        counts["documents"] = len(rows)
        return pa.Table.from_pylist(rows, schema=SCHEMA)


class Features:
    """A split's features, memory-mapped.

    Args:
        folder: Of the features.
        split: Name of the corpus.
        top_k: Candidates of a mention that count; None for all that were made.
        regimes: Which of the regimes count, by their places among those that were made; None for all.
    """

    def __init__(self, folder: str, split: str, top_k: int | None = None, regimes: Sequence[int] | None = None) -> None:
        self.top_k, self.regimes = top_k, regimes
        self.tables = []
        if storage.names(join(folder, split)):  # there may be no validation corpus
            where = storage.localise(join(folder, split))
            self.tables = [_opened(path) for path in sorted(where.glob("*.arrow"))]
        self.starts = np.cumsum([0, *(table.num_rows for table in self.tables)])

    def __len__(self) -> int:
        """Number of documents."""
        return int(self.starts[-1])

    def scores(self) -> np.ndarray:
        """Return the first stage's scores of all candidates that count, float32."""
        found = [np.zeros(0, np.float32)]
        for table in self.tables:
            regimes = pc.struct_field(pc.list_flatten(table["lessons"].combine_chunks()), "regimes")
            places = [*range(pc.max(pc.list_value_length(regimes)).as_py() or 0)] if len(regimes) else []
            for place in places if self.regimes is None else self.regimes:
                scores = pc.struct_field(pc.list_element(regimes, place), "scores")
                scores = pc.list_slice(scores, 0, self.top_k) if self.top_k else scores
                found.append(pc.list_flatten(scores).to_numpy(zero_copy_only=False))
        return np.concatenate(found)

    def document(self, number: int) -> list[Lesson]:
        """Return a document's lessons; where it has one regime, both are it."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        row = self.tables[place].slice(int(number - self.starts[place]), 1).to_pylist()[0]
        made = []
        for lesson in row["lessons"]:
            context = row["contexts"][lesson["context"]]
            regimes = lesson["regimes"]
            both = [
                Tokenised(
                    context["tokens"],
                    (number, *context["group"]),
                    lesson["mention"],
                    each["tokens"][: self.top_k],
                    np.array(each["scores"][: self.top_k], np.float32),
                    each["gold"] if self.top_k is None or each["gold"] < self.top_k else -1,
                )
                for each in (regimes if self.regimes is None else [regimes[one] for one in self.regimes])
            ]
            made.append(Lesson(both[0], both[-1]))
        return made

    def examples(self) -> Iterator[Tokenised]:
        """Yield all mentions with the candidates of the first regime."""
        for number in range(len(self)):
            for lesson in self.document(number):
                yield lesson.fitted


def _opened(path: Path) -> pa.Table:
    try:
        return artefacts.load_arrow(path)
    except (pa.ArrowInvalid, OSError) as error:
        told = f"is damaged ({error}): delete the directory `features` to make it anew"
        raise InputError(told, path=str(path)) from error
