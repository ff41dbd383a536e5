"""Links the mentions of chunks to one ontology: candidates, then their re-ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raybel.candidates.base import CandidateCache
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, Precision
from raybel.linking.candidates import add_candidates
from raybel.linking.matched_names import MatchedNames
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings, Target
from raybel.ontology import Ontology
from raybel.rerank.examples import Describer

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
        rerankers: Those that are loaded, by their directories: of several linkers, so that each is loaded once.
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
        rerankers: dict[str, Any] | None = None,
    ) -> None:
        opened = Ontology.open(ontology)
        first_stage = open_generator(opened, generator, device, threads)
        self.name, self.cache = first_stage.name, CandidateCache(first_stage, top_k)
        self.describer = Describer(opened, first_stage.alias_table)
        self.target = Target(opened, label, MatchedNames(opened, first_stage.alias_table), threshold)
        self.reranker_model, self.precision, self.device, self.threads = reranker_model, precision, device, threads
        self._rerankers = {} if rerankers is None else rerankers

    def link(self, chunk: pa.Table, crashes: CrashRecord | None = None) -> tuple[pa.Table, Rankings]:
        """Return a chunk with its `failures`, and the rankings of its mentions.

        Args:
            chunk: A table of `schemas.CHUNK`, one row.
            crashes: What happened at earlier attempts at it.
        """
        linked = add_candidates(chunk, self.cache, self.name, crashes)
        if self.reranker_model is not None:
            from raybel.linking.reranking import rerank  # imports torch

            linked = rerank(linked, self._reranker(self.reranker_model), self.describer, crashes)
        return linked, Rankings.of(linked, self.target)

    def _reranker(self, model: str) -> Reranker:
        import torch

        from raybel.rerank.reranker import Reranker

        if model not in self._rerankers:
            if self.device == "cpu":
                torch.set_num_threads(self.threads)
            self._rerankers[model] = Reranker.load(model, self.device, self.precision)
        reranker: Reranker = self._rerankers[model]
        return reranker
