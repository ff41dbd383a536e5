"""What cross-encoders are pre-trained on, made once with Ray Data: names of ontologies, with candidates and token ids.

The files are as `crossencoder_features` makes them of corpora; a name is a document of its own, without context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import ray

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.candidates.registry import home_of
from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.jobs.actors import on_actors
from raybel.jobs.runtime import allocate_here, data_context
from raybel.jobs.train.crossencoder_features import FeatureConfig, FeatureStage, Split
from raybel.ontology import Ontology
from raybel.rerank.training.features import SCHEMA, document_row
from raybel.rerank.training.names import OntologyNames, drawn_names, name_examples, usable_names

#: Names in a chunk.
CHUNK = 1_000
_COUNTED = ("mentions", "without_gold", "cut")
_ROW = pa.schema([(name, pa.int64()) for name in _COUNTED])


def make_name_features(
    configs: Sequence[FeatureConfig], most: int, seed: int, watch: Callable[[str], None]
) -> list[dict[str, int]]:
    """Make the features of ontologies' names on the Ray that runs, unless they are there; return what was counted.

    Counted are, of each ontology, `names` and those that can't be mentions (`names.OntologyNames`), `drawn`, of these
    `without_gold` (their concept isn't among their candidates: they are left out), `mentions` (the rest), and `cut`.

    Args:
        configs: How features are made, for each ontology; their generators, of n-grams, are made here.
        most: Names that are drawn at most, from all ontologies.
        seed: Decides which.
        watch: Called with what is being done.

    Raises:
        InputError: An ontology has no name that can be learned.
    """
    homes = [join(config.folder, "train") for config in configs]
    if not all(storage.exists(join(home, "counts.json")) for home in homes):
        watch("names of the ontologies")
        ontologies = [Ontology.open(config.ontology) for config in configs]
        usable = [usable_names(ontology, seed) for ontology in ontologies]
        for ontology, names in zip(ontologies, usable, strict=True):
            if not names.names:
                raise _nothing_to_learn(ontology, names.counts)
        for config, ontology, names in zip(configs, ontologies, drawn_names(usable, most, seed), strict=True):
            watch(f"candidates of the names of {storage.name_of(config.ontology)}")
            _make(config, ontology, names)
    counts: list[dict[str, int]] = [dict(storage.read_json(join(home, "counts.json"))) for home in homes]
    for config, counted in zip(configs, counts, strict=True):
        if counted["drawn"] and not counted["mentions"]:
            raise InputError(
                f"nothing to pre-train on: none of {counted['drawn']} names has its concept among "
                f"{config.parameters.top_k} candidates",
                path=config.ontology,
            )
    return counts


def _nothing_to_learn(ontology: Ontology, counts: dict[str, int]) -> InputError:
    if not counts["names"]:
        reason = "no concept has an alias that differs from its name by more than the order of words or a plural"
    else:
        reason = (
            f"of {counts['names']} aliases none is left: {counts['shared']} are names of several concepts, "
            f"{counts['ids']} are ids, {counts['obsolete']} are of concepts that are marked as obsolete"
        )
    return InputError(f"nothing to pre-train on: {reason}; leave it out of --pretrain", path=ontology.path)


def _make(config: FeatureConfig, ontology: Ontology, names: OntologyNames) -> None:
    """Make the features of an ontology's names."""
    home = join(config.folder, "train")
    if storage.exists(join(home, "counts.json")):
        return
    parameters = NgramParameters(add_training_data_to_ontology=False)
    NgramGenerator.build(ontology, parameters).save(home_of(config.generator))
    chunks = [
        pa.table(
            {
                "chunk": pa.array([start // CHUNK] * len(names.names[start : start + CHUNK]), pa.int32()),
                "concept": pa.array(names.concepts[start : start + CHUNK], pa.int32()),
                "name": pa.array(names.names[start : start + CHUNK], pa.string()),
            }
        )
        for start in range(0, len(names.names), CHUNK)
    ]
    counts = {**names.counts, "drawn": len(names.names), **dict.fromkeys(_COUNTED, 0)}
    if chunks:
        with data_context():
            allocation = allocate_here(config.resources)
            splits: dict[str, Split] = {}
            arguments, restarts = (config, splits, allocation), config.resources.max_restarts
            rows = ray.data.from_arrow(chunks).map_batches(
                **on_actors(NameFeatureStage, arguments, allocation, restarts, len(chunks)),
                batch_size=None,
                batch_format="pyarrow",
            )
            for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for name in _COUNTED:
                    counts[name] += sum(batch[name].to_pylist())
    storage.publish_json(join(home, "counts.json"), counts)


class NameFeatureStage(FeatureStage):
    """Makes the features of a chunk of names; one per actor."""

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Write a chunk's features and return its counts."""
        concepts, names = np.asarray(chunk["concept"], np.int32), chunk["name"].to_pylist()
        top_k = self.config.parameters.top_k
        examples = name_examples(concepts, names, self.generator, self.ontology, self.describer, top_k)
        found = self.tokens([example for example in examples if example.gold >= 0])
        table = pa.Table.from_pylist([document_row([[example]]) for example in found], schema=SCHEMA)
        name = f"{chunk['chunk'][0].as_py():06d}.arrow"
        storage.publish(join(self.config.folder, "train", name), artefacts.arrow_bytes(table))
        counts = (len(found), len(examples) - len(found), sum(example.truncated for example in found))
        return pa.Table.from_pylist([dict(zip(_COUNTED, counts, strict=True))], schema=_ROW)
