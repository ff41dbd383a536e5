"""Opens the generator that a configuration names."""

from __future__ import annotations

from raybel.candidates.base import Generator
from raybel.candidates.lookup import LookupGenerator
from raybel.candidates.ngrams import NgramGenerator
from raybel.errors import ConfigError, MismatchError
from raybel.ontology import Ontology


def open_generator(
    ontology: Ontology, ngrams_model: str | None = None, candidates_lookup: str | None = None, threads: int = 1
) -> Generator:
    """Open a generator and check that it was made from this ontology.

    Raises:
        MismatchError: Its candidates refer to another ontology's rows.
        InputError: It can't be read.
    """
    generator: Generator
    if ngrams_model is not None:
        generator = NgramGenerator.load(ngrams_model, threads)
    elif candidates_lookup is not None:
        generator = LookupGenerator.load(candidates_lookup, ontology)
    else:
        raise ConfigError("no generator: give --ngrams-model or --candidates-lookup")
    if generator.ontology_fingerprint != ontology.fingerprint:
        where = ngrams_model or candidates_lookup
        raise MismatchError(
            f"{where} was made from another ontology (fingerprint {generator.ontology_fingerprint}) than "
            f"{ontology.path} ({ontology.fingerprint}): make it again, or give the ontology it was made from"
        )
    return generator
