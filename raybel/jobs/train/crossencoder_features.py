"""What cross-encoders are trained on, made once with Ray Data: candidates and token ids of every linkable mention.

Kept as Arrow files, one per chunk of documents, which the training workers memory-map and read in the order that each
epoch draws. (Ray Data's own streaming to several workers drops rows, to give each as many.)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
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
    [("error", pa.string()), ("examples", pa.list_(pa.string())), *((name, pa.int64()) for name in _COUNTS)]
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
        rule: Says which mentions are sure; None for none of them.
    """

    folder: str
    ontology: str
    generator: GeneratorPaths
    base: str
    positions: int
    parameters: CrossEncoderParameters
    mentions: MentionOptions
    resources: Resources
    rule: Cascade | None = None


def are_made(config: FeatureConfig, split: str) -> bool:
    """Return whether the features of a split are there, of an earlier start."""
    return storage.exists(join(config.folder, split, COUNTS_FILE))


def make_features(
    config: FeatureConfig, split: str, paths: tuple[str, ...], scopes: tuple[AliasScope, ...]
) -> dict[str, int]:
    """Make the features of a split on the Ray that runs, unless they are there; return what was counted.

    Of sure mentions those are counted that are so by their first set of candidates (`sure`), and by their last one
    (`sure_by_names`).

    Args:
        config: How features are made.
        split: Name of the corpus.
        paths: BioC files, directories or globs.
        scopes: Alias scopes that candidates are searched with, each for a set of candidates.

    Raises:
        InputError: A file can't be read.
    """
    folder = join(config.folder, split)
    counts_file = join(folder, COUNTS_FILE)
    if are_made(config, split):
        return dict(storage.read_json(counts_file))
    options = ReadOptions(config.mentions, sentences=True, chunk_documents=CHUNK)
    sources = find_sources(paths)
    with data_context():
        encodes = uses_encoder(config.generator)
        allocation = allocate_here(config.resources, encodes, sum(source.size for source in sources))
        inputs = [Input(source, f"{number:05d}") for number, source in enumerate(sources)]
        rows = read_files(inputs, options, allocation.cpus_per_task).map_batches(
            **on_actors(FeatureStage, (config, folder, scopes, allocation), allocation, config.resources.max_restarts),
            batch_size=1,
            batch_format="pyarrow",
        )
        counts = dict.fromkeys(_COUNTS, 0)
        examples: list[str] = []
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in batch.to_pylist():
                if row["error"]:
                    raise InputError(row["error"])
                for name in _COUNTS:
                    counts[name] += row[name]
                examples += row["examples"]
    named = sorted(examples)[:MAX_EXAMPLES]
    problems = SetAside(counts["documents"], counts["bad_documents"], counts["set_aside"], named)
    if sentence := problems.sentence():
        _LOG.warning(sentence)
    storage.publish_json(counts_file, counts)
    return counts


def sure_rule(config: FeatureConfig, ontology: Ontology, val_corpus: tuple[str, ...]) -> Cascade | None:
    """Return the rule that says which training mentions are sure, fitted on a validation corpus; None for none.

    Args:
        config: How features are made.
        ontology: What candidates refer to.
        val_corpus: BioC files, directories or globs.
    """
    generator = open_generator(ontology, config.generator)
    judged = read_linkable(val_corpus, ontology, config.mentions).judged
    return fit_sure(generator, judged, config.parameters.top_k)


class FeatureStage:
    """Makes a chunk's features; one per actor."""

    def __init__(
        self, config: FeatureConfig, folder: str, scopes: tuple[AliasScope, ...], allocation: Allocation
    ) -> None:
        self.config, self.folder, self.scopes, self.allocation = config, folder, scopes, allocation

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
        counts: dict[str, Any] = {"error": next(filter(None, errors), None), **dict.fromkeys(_COUNTS, 0)}
        problems = SetAside()
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        names = ("passages", "mentions", "error", "doc_id", "set_aside")
        columns = [pc.struct_field(documents, name).to_pylist() for name in names]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        path = chunk["path"][0].as_py()
        for row in rows:
            problems.add(path, row["error"], row["set_aside"])
        if not counts["error"]:
            table = self._features([row for row in rows if row["error"] is None], counts)
            shard = chunk["shard"][0].as_py().replace("/", "-")  # of a bundle
            name = f"{shard}-{chunk['chunk'][0].as_py():05d}.arrow"
            storage.publish(join(self.folder, name), artefacts.arrow_bytes(table))
        of_chunk = {"bad_documents": problems.bad_documents, "set_aside": problems.annotations}
        counts |= {"documents": problems.documents, "examples": problems.examples, **of_chunk}
        return pa.Table.from_pylist([counts], schema=_ROW)

    def _features(self, documents: list[dict[str, Any]], counts: dict[str, Any]) -> pa.Table:
        parameters = self.config.parameters
        held = (documents, self.generator, self.ontology, self.describer, parameters.context, parameters.top_k)
        by_scope = [labelled_examples(*held, scope, rule=self.config.rule) for scope in self.scopes]
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
