"""What cross-encoders are trained on, made once with Ray Data: candidates and token ids of every linkable mention.

Kept as Arrow files, one per chunk of documents, which the training workers memory-map and read in the order that each
epoch draws. (Ray Data's own streaming to several workers drops rows, to give each as many.)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import Generator
from raybel.candidates.recall import read_linkable
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.config import GeneratorPaths, MentionOptions, Resources
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import MAX_EXAMPLES, SetAside
from raybel.corpus.sources import find_sources
from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.jobs.actors import on_actors
from raybel.jobs.datasets import Input, read_files
from raybel.jobs.runtime import Allocation, allocate_here, data_context
from raybel.ontology import Ontology
from raybel.rerank.cascade import Cascade
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens
from raybel.rerank.training.alias_scopes import AliasScope
from raybel.rerank.training.crossfit import labelled_examples
from raybel.rerank.training.features import SCHEMA, document_row
from raybel.rerank.training.sure import fit_sure

#: Documents in a chunk.
CHUNK = 64
#: Written last into the directory of a split.
COUNTS_FILE = "counts.json"
_COUNTS = (
    "documents",
    "mentions",
    "left_out",
    "cut",
    "without_gold",
    "sure",
    "sure_by_names",
    "bad_documents",
    "set_aside",
)
_ROW = pa.schema(
    [
        *(("split", pa.string()), ("error", pa.string()), ("examples", pa.list_(pa.string()))),
        *((name, pa.int64()) for name in _COUNTS),
    ]
)
_LOG = logging.getLogger(__name__)


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
        mentions: How mentions are read out of annotations.
        resources: What the job takes of the cluster.
    """

    folder: str
    ontology: str
    generator: GeneratorPaths
    base: str
    positions: int
    parameters: CrossEncoderParameters
    mentions: MentionOptions
    resources: Resources


@dataclass(frozen=True)
class Split:
    """A part of a corpus that features are made of.

    Args:
        name: Of the directory of its features; without a dot.
        paths: BioC files, directories or globs.
        scopes: Alias scopes that candidates are searched with, each for a set of candidates.
        rule: Says which mentions are sure; None for none of them.
    """

    name: str
    paths: tuple[str, ...]
    scopes: tuple[AliasScope, ...]
    rule: Cascade | None = None


def are_made(config: FeatureConfig, split: str) -> bool:
    """Return whether the features of a split are there, of an earlier start."""
    return storage.exists(join(config.folder, split, COUNTS_FILE))


def make_features(config: FeatureConfig, splits: Sequence[Split]) -> dict[str, dict[str, int]]:
    """Make the features of those splits whose features aren't there, all by the same actors, on the Ray that runs.

    Args:
        config: How features are made.
        splits: What of; their names differ.

    Returns:
        What was counted of each, by its name. Of sure mentions those are counted that are so by their first set of
        candidates (`sure`), and by their last one (`sure_by_names`).

    Raises:
        InputError: A file can't be read.
    """
    missing = {split.name: split for split in splits if not are_made(config, split.name)}
    inputs = [
        Input(source, f"{name}.{number:05d}")
        for name, split in missing.items()
        for number, source in enumerate(find_sources(split.paths))
    ]
    counts = {name: dict.fromkeys(_COUNTS, 0) for name in missing}
    examples: dict[str, list[str]] = {name: [] for name in missing}
    if inputs:
        for row in _rows(config, missing, inputs):
            if row["error"]:
                raise InputError(row["error"])
            for name in _COUNTS:
                counts[row["split"]][name] += row[name]
            examples[row["split"]] += row["examples"]
    for name, of_split in counts.items():
        named = sorted(examples[name])[:MAX_EXAMPLES]
        problems = SetAside(of_split["documents"], of_split["bad_documents"], of_split["set_aside"], named)
        if sentence := problems.sentence():
            _LOG.warning(sentence)
        storage.publish_json(join(config.folder, name, COUNTS_FILE), of_split)
    return {split.name: dict(storage.read_json(join(config.folder, split.name, COUNTS_FILE))) for split in splits}


def _rows(config: FeatureConfig, splits: Mapping[str, Split], inputs: Sequence[Input]) -> Iterator[dict[str, Any]]:
    """Have actors make features; yield what they counted of each chunk."""
    options = ReadOptions(config.mentions, sentences=True, chunk_documents=CHUNK)
    with data_context():
        encodes = uses_encoder(config.generator)
        allocation = allocate_here(config.resources, encodes, sum(each.source.size for each in inputs))
        rows = read_files(inputs, options, allocation.cpus_per_task).map_batches(
            **on_actors(FeatureStage, (config, splits, allocation), allocation, config.resources.max_restarts),
            batch_size=1,
            batch_format="pyarrow",
        )
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from batch.to_pylist()


def with_sure_rule(
    config: FeatureConfig, splits: Sequence[Split], ontology: Ontology, val_corpus: tuple[str, ...]
) -> list[Split]:
    """Give the training split, unless its features are there, the rule that says which of its mentions are sure.

    Args:
        config: How features are made.
        splits: The training split is the one named `train`.
        ontology: What candidates refer to.
        val_corpus: BioC files, directories or globs, which the rule is fitted on.
    """
    if are_made(config, "train"):
        return list(splits)
    generator = open_generator(ontology, config.generator)
    judged = read_linkable(val_corpus, ontology, config.mentions).judged
    rule = fit_sure(generator, judged, config.parameters.top_k)
    return [replace(split, rule=rule) if split.name == "train" else split for split in splits]


class FeatureStage:
    """Makes a chunk's features; one per actor."""

    def __init__(self, config: FeatureConfig, splits: Mapping[str, Split], allocation: Allocation) -> None:
        self.config, self.splits, self.allocation = config, splits, allocation

    @cached_property
    def ontology(self) -> Ontology:
        """What candidates refer to, memory-mapped."""
        return Ontology.open(self.config.ontology)

    @cached_property
    def generator(self) -> Generator:
        """Finds candidates; loaded with the first chunk: an error in a constructor would look like a worker's death."""
        return open_generator(self.ontology, self.config.generator, self.allocation.device, self.allocation.threads)

    @cached_property
    def describer(self) -> Describer:
        """What is shown of candidates."""
        return Describer(self.ontology, self.generator.alias_table, self.config.parameters)

    @cached_property
    def tokens(self) -> Tokens:
        """The base model's tokenizer."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(storage.localise(self.config.base), use_fast=True)
        return Tokens(tokenizer, self.config.positions, self.config.parameters)

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Write a chunk's features and return its counts."""
        errors = [chunk["error"][0].as_py(), *chunk["unreadable"][0].as_py()]
        split, shard = chunk["shard"][0].as_py().split(".", 1)
        counts: dict[str, Any] = {
            **{"split": split, "error": next(filter(None, errors), None)},
            **dict.fromkeys(_COUNTS, 0),
        }
        problems = SetAside()
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        names = ("passages", "mentions", "error", "doc_id", "set_aside")
        columns = [pc.struct_field(documents, name).to_pylist() for name in names]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        path = chunk["path"][0].as_py()
        for row in rows:
            problems.add(path, row["error"], row["set_aside"])
        if not counts["error"]:
            table = self._features([row for row in rows if row["error"] is None], self.splits[split], counts)
            name = f"{shard.replace('/', '-')}-{chunk['chunk'][0].as_py():05d}.arrow"  # a bundle's shards have a `/`
            storage.publish(join(self.config.folder, split, name), artefacts.arrow_bytes(table))
        of_chunk = {"bad_documents": problems.bad_documents, "set_aside": problems.annotations}
        counts |= {"documents": problems.documents, "examples": problems.examples, **of_chunk}
        return pa.Table.from_pylist([counts], schema=_ROW)

    def _features(self, documents: list[dict[str, Any]], split: Split, counts: dict[str, Any]) -> pa.Table:
        parameters = self.config.parameters
        held = (documents, self.generator, self.ontology, self.describer, parameters.context, parameters.top_k)
        by_scope = [labelled_examples(*held, scope, rule=split.rule) for scope in split.scopes]
        rows = []
        for number, document in enumerate(documents):
            tokenised = [self.tokens(examples[number]) for examples in by_scope]
            first, last = tokenised[0], tokenised[-1]
            counts["cut"] += sum(example.truncated for example in first)
            counts["without_gold"] += sum(example.gold < 0 for example in first)
            counts["sure"] += sum(example.sure for example in first)
            counts["sure_by_names"] += sum(example.sure for example in last)
            counts["mentions"] += len(first)
            counts["left_out"] += len(document["mentions"]) - len(first)
            rows.append(document_row(tokenised, document["doc_id"]))
        return pa.Table.from_pylist(rows, schema=SCHEMA)
