"""The kinds of generators, and how those that a configuration names are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raybel.candidates.base import Generator
from raybel.candidates.calibrating import stored
from raybel.candidates.calibration import FittedCalibration
from raybel.candidates.dense import DenseGenerator
from raybel.candidates.hybrid import HybridGenerator
from raybel.candidates.lookup import LookupGenerator
from raybel.config import ModelPaths
from raybel.errors import MismatchError
from raybel.ontology import Ontology


@dataclass(frozen=True)
class Kind:
    """A kind of generator.

    Args:
        option: The field of `GeneratorPaths` that holds its path.
        load: Opens one: (path, the ontology that its candidates refer to, device, threads) -> generator.
        weight: Weight of its candidates in a fusion; see BENCHMARKS.md.
        uses_encoder: Whether it runs an encoder, and so is faster on a GPU.
    """

    option: str
    load: Callable[[str, Ontology, str, int], Generator]
    weight: float = 1.0
    uses_encoder: bool = False


def _ngrams(path: str, _: Ontology, __: str, threads: int) -> Generator:
    from raybel.candidates.ngrams import NgramGenerator  # imports scikit-learn, which takes a second

    return NgramGenerator.load(path, threads)


#: All kinds, in the order in which they are fused.
KINDS = (
    Kind("ngrams_model", _ngrams),
    Kind(
        "dense_index",
        lambda path, ontology, device, threads: DenseGenerator.load(path, device, threads),
        weight=2.0,
        uses_encoder=True,
    ),
    Kind("candidates_lookup", lambda path, ontology, device, threads: LookupGenerator.load(path, ontology)),
)


def chosen_kinds(paths: ModelPaths) -> list[tuple[Kind, str]]:
    """Return the kinds of generators that a configuration names, each with its path."""
    by_kind = [(kind, getattr(paths, kind.option, None)) for kind in KINDS]
    return [(kind, path) for kind, path in by_kind if path is not None]


def uses_encoder(paths: ModelPaths) -> bool:
    """Return whether any of the generators that a configuration names runs an encoder."""
    return any(kind.uses_encoder for kind, _ in chosen_kinds(paths))


def home_of(paths: ModelPaths) -> str:
    """Return the directory that holds the calibration of the generator that a configuration names: the first one's."""
    return chosen_kinds(paths)[0][1]


def open_generator(ontology: Ontology, paths: ModelPaths, device: str = "cpu", threads: int = 1) -> Generator:
    """Open the generator that a configuration names, and check that it was made from this ontology; fuse several.

    Args:
        ontology: What its candidates refer to.
        paths: Where it is.
        device: Where an encoder runs: `cpu` or a CUDA device.
        threads: For searching, and for encoding on the CPU.

    Raises:
        MismatchError: Its candidates refer to another ontology's rows.
        InputError: It can't be read.
    """
    chosen = chosen_kinds(paths)
    generators = []
    for kind, path in chosen:
        generator = kind.load(path, ontology, device, threads)
        if generator.ontology_fingerprint != ontology.fingerprint:
            raise MismatchError(
                f"{path} was made from another ontology (fingerprint {generator.ontology_fingerprint}) than "
                f"{ontology.path} ({ontology.fingerprint}): make it again, or give the ontology it was made from"
            )
        generators.append(generator)
    opened = generators[0] if len(generators) == 1 else HybridGenerator(generators, [kind.weight for kind, _ in chosen])
    home = home_of(paths)
    if (calibration := stored(home).get(opened.fingerprint)) is not None:
        opened.calibration = FittedCalibration.from_dict(calibration, home)
    return opened
