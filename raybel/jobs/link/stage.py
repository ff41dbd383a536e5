"""What the link job maps over chunks: candidates, their re-ranking, then the chunk's part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from raybel.candidates.base import CandidateCache
from raybel.candidates.registry import open_generator
from raybel.jobs.chunk_stage import ChunkStage
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.runtime import Allocation
from raybel.linking.candidates import add_candidates
from raybel.linking.matched_names import MatchedNames
from raybel.linking.poison import CrashRecord
from raybel.linking.render import render
from raybel.ontology import Ontology
from raybel.rerank.examples import Describer
from raybel.runs.inputs import RunInput
from raybel.runs.parts import Part
from raybel.runs.run_directory import RunDirectory

if TYPE_CHECKING:
    from raybel.rerank.reranker import Reranker


class LinkStage(ChunkStage):
    """Finds a chunk's candidates, re-ranks them, and writes the chunk's part; one per actor.

    The generator's model is memory-mapped, and the candidates of surfaces that were searched are cached. All in one
    actor: a chunk with its candidates needn't travel once more, and no worker starts for writing alone.
    """

    def __init__(
        self, config: LinkConfig, ontology: str, allocation: Allocation, inputs: dict[str, RunInput], session: str
    ) -> None:
        super().__init__(RunDirectory(config.out_corpus), inputs, session)
        self.ontology = Ontology.open(ontology)
        generator = open_generator(self.ontology, config.generator, allocation.device, allocation.threads)
        self.name, self.generator = generator.name, CandidateCache(generator, config.top_k)
        self.describer = Describer(self.ontology, generator.alias_table)
        self.names = MatchedNames(self.ontology, generator.alias_table)
        self.config, self.allocation = config, allocation
        self._reranker: Reranker | None = None

    def part(self, chunk: pa.Table, crashes: CrashRecord) -> Part:
        """Link a chunk."""
        linked = add_candidates(chunk, self.generator, self.name, crashes)
        if self.config.reranker_model is not None:
            linked = self._rerank(linked, self.config.reranker_model, crashes)
        return render(linked, self.ontology, self.config.threshold, self.names)

    def _rerank(self, linked: pa.Table, model: str, crashes: CrashRecord) -> pa.Table:
        """Re-rank a chunk's candidates.

        The model is loaded with the first chunk: an error in a constructor would look like a worker's death.
        """
        import torch

        from raybel.linking.reranking import rerank
        from raybel.rerank.reranker import Reranker

        if self._reranker is None:
            if self.allocation.device == "cpu":
                torch.set_num_threads(self.allocation.threads)
            self._reranker = Reranker.load(model, self.allocation.device, self.config.precision)
        return rerank(linked, self._reranker, self.describer, crashes)
