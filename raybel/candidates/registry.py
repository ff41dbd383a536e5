"""Opens the generator that a configuration names."""

from __future__ import annotations

from raybel.candidates.base import Generator
from raybel.candidates.dense import DenseGenerator
from raybel.candidates.hybrid import HybridGenerator
from raybel.candidates.lookup import LookupGenerator
from raybel.candidates.ngrams import NgramGenerator
from raybel.config import GeneratorPaths, ModelPaths
from raybel.errors import MismatchError
from raybel.ontology import Ontology

#: Weights of n-grams and dense in the fusion; see BENCHMARKS.md.
HYBRID_WEIGHTS = (1.0, 2.0)


def open_generator(ontology: Ontology, paths: ModelPaths, device: str = "cpu", threads: int = 1) -> Generator:
    """Open a generator and check that it was made from this ontology; two are fused.

    Args:
        ontology: What its candidates refer to.
        paths: Which.
        device: Where an encoder runs.
        threads: For searching and for encoding on the CPU.

    Raises:
        MismatchError: Its candidates refer to another ontology's rows.
        InputError: It can't be read.
    """
    found: dict[str, Generator] = {}
    if paths.ngrams_model is not None:
        found[paths.ngrams_model] = NgramGenerator.load(paths.ngrams_model, threads)
    if paths.dense_index is not None:
        found[paths.dense_index] = DenseGenerator.load(paths.dense_index, device, threads)
    if isinstance(paths, GeneratorPaths) and paths.candidates_lookup is not None:
        found[paths.candidates_lookup] = LookupGenerator.load(paths.candidates_lookup, ontology)
    for where, generator in found.items():
        if generator.ontology_fingerprint != ontology.fingerprint:
            raise MismatchError(
                f"{where} was made from another ontology (fingerprint {generator.ontology_fingerprint}) than "
                f"{ontology.path} ({ontology.fingerprint}): make it again, or give the ontology it was made from"
            )
    generators = list(found.values())
    return generators[0] if len(generators) == 1 else HybridGenerator(generators, HYBRID_WEIGHTS)
