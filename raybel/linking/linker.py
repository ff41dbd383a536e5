"""Links the mentions of chunks to one ontology: candidates, then their re-ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raybel.candidates.base import CandidateCache
from raybel.candidates.evidence import Probabilities
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, Precision
from raybel.errors import ConfigError
from raybel.linking.candidates import add_candidates
from raybel.linking.composites import CompositeSplitter, places_of_parts, split_composites
from raybel.linking.matched_names import MatchedNames
from raybel.linking.poison import CrashRecord, with_failures
from raybel.linking.rankings import Rankings, Target
from raybel.ontology import Ontology
from raybel.reporting import tally
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import Rerank

if TYPE_CHECKING:
    from raybel.rerank.reranker import Reranker


class Linker:
    """Links to one ontology.

    The generator's model is memory-mapped, and the candidates of surfaces that were searched are cached. The re-ranker
    is loaded with the first chunk: an error in a constructor would look like a worker's death.

    Args:
        ontology: Path of the ontology, which can be memory-mapped.
        label: What the mentions table calls it.
        generator: Where the generator is.
        reranker_model: Where the re-ranker is; None for none.
        top_k: Candidates of a mention.
        threshold: The score below which candidates are left out; None for none.
        precision: What the re-ranker computes in; None for the fastest.
        device: Where encoders run.
        threads: Of computations on the CPU.
        rerank: Which mentions the re-ranker ranks: all, or those alone that its rule doesn't take as sure.
        rerankers: Those that are loaded, by their directories: of several linkers, so that each is loaded once.
        splits_composites: Whether parts of composite mentions are linked by themselves.

    Raises:
        ConfigError: Composites are to be split, and the generator doesn't know which names its candidates matched.
    """

    def __init__(
        self,
        ontology: str,
        label: str,
        generator: GeneratorPaths,
        reranker_model: str | None,
        top_k: int,
        threshold: float | None,
        precision: Precision | None,
        device: str,
        threads: int,
        rerank: Rerank = "unsure",
        rerankers: dict[str, Any] | None = None,
        splits_composites: bool = False,
    ) -> None:
        opened = Ontology.open(ontology)
        first_stage = open_generator(opened, generator, device, threads)
        self.name, self.cache = first_stage.name, CandidateCache(first_stage, top_k)
        self.aliases = first_stage.alias_table
        self.ontology = opened
        self.target = Target(opened, label, MatchedNames(opened, self.aliases), threshold)
        self.reranker_model, self.precision, self.device, self.threads = reranker_model, precision, device, threads
        self.rerank = rerank
        self._rerankers = {} if rerankers is None else rerankers
        self._adapted: Reranker | None = None
        self.splitter: CompositeSplitter | None = None
        if splits_composites:
            if self.aliases is None:
                raise ConfigError("composites can't be split: the generator doesn't know which names it matches")
            self.splitter = CompositeSplitter(self.cache, self.aliases)
        self.calibrated: Probabilities | None = None
        if first_stage.calibration is not None and reranker_model is None:
            self.calibrated = Probabilities(first_stage.calibration.calibration, self.aliases)
        self._first_stage: Probabilities | None = None
        self._describer: Describer | None = None

    def link(self, chunk: pa.Table, crashes: CrashRecord | None = None) -> tuple[pa.Table, Rankings]:
        """Return a chunk with its `failures`, and the rankings of its mentions.

        Args:
            chunk: A table of `schemas.CHUNK`, one row.
            crashes: What happened at earlier attempts at it.
        """
        if self.splitter is None:
            return self._link(chunk, crashes)
        with tally.seconds_of("candidates"):
            divided, composites = split_composites(chunk, self.splitter, crashes)
        linked, rankings = self._link(divided, crashes)
        rankings = rankings.folded(places_of_parts(chunk, composites))
        return with_failures(chunk, linked["failures"][0].as_py()), rankings

    def _link(self, chunk: pa.Table, crashes: CrashRecord | None) -> tuple[pa.Table, Rankings]:
        with tally.seconds_of("candidates"):
            linked = add_candidates(chunk, self.cache, self.name, crashes, self.calibrated)
        if self.reranker_model is not None:
            from raybel.linking.reranking import rerank  # imports torch

            reranker = self._reranker(self.reranker_model)
            if self._describer is None:
                self._describer = Describer(self.ontology, self.aliases, reranker.parameters)
            with tally.seconds_of("reranking"):
                linked = rerank(linked, reranker, self._describer, crashes, self._first_stage_of(reranker))
        return linked, Rankings.of(linked, self.target)

    def _first_stage_of(self, reranker: Reranker) -> Probabilities | None:
        """Return the first stage's probabilities by a re-ranker's rule; None where all mentions are re-ranked."""
        cascade = reranker.cascade if self.rerank == "unsure" else None
        if cascade is None:
            return None
        if self._first_stage is None:
            self._first_stage = Probabilities(cascade.first_stage, self.aliases)
        return self._first_stage

    def _reranker(self, model: str) -> Reranker:
        """Return the re-ranker, which is loaded once for all linkers, as it was trained for this one's generator."""
        import torch

        from raybel.rerank.reranker import Reranker

        if self._adapted is None:
            if model not in self._rerankers:
                if self.device == "cpu":
                    torch.set_num_threads(self.threads)
                self._rerankers[model] = Reranker.load(model, self.device, self.precision)
            loaded: Reranker = self._rerankers[model]
            self._adapted = loaded.for_generator(self.cache.generator)
        return self._adapted
