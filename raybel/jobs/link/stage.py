"""What the link job maps over chunks: detection, candidates, their re-ranking, then the chunk's part."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from raybel.detection.base import Detector
from raybel.detection.registry import open_detector
from raybel.jobs.chunk_stage import ChunkStage
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.routes import Route
from raybel.jobs.runtime import Allocation
from raybel.linking.detection import add_mentions
from raybel.linking.linker import Linker
from raybel.linking.poison import CrashRecord
from raybel.linking.render import render
from raybel.linking.routing import link_by_type
from raybel.runs.inputs import RunInput
from raybel.runs.parts import Part
from raybel.runs.run_directory import RunDirectory


class LinkStage(ChunkStage):
    """Finds a chunk's mentions where that is asked for, links them, and writes the chunk's part; one per actor.

    All in one actor: a chunk with its candidates needn't travel once more, and no worker starts for writing alone.

    Args:
        config: What the job is asked to do.
        routes: The types of mentions (none for all), what they are linked to, and the path of its ontology for workers.
        allocation: What an actor has.
        inputs: As `ChunkStage`.
        session: As `ChunkStage`.
    """

    def __init__(
        self,
        config: LinkConfig,
        routes: list[tuple[tuple[str, ...], Route, str]],
        allocation: Allocation,
        inputs: dict[str, RunInput],
        session: str,
    ) -> None:
        super().__init__(RunDirectory(config.out_corpus), inputs, session)
        self.config, self.allocation = config, allocation
        loaded: dict[str, Any] = {}
        self.linkers = [(frozenset(types), self._linker(route, ontology, loaded)) for types, route, ontology in routes]

    def _linker(self, route: Route, ontology: str, loaded: dict[str, Any]) -> Linker:
        return Linker(
            ontology,
            route.ontology.rpartition("/")[2],
            route.generator,
            route.reranker_model,
            self.config.top_k,
            route.threshold,
            self.config.precision,
            self.allocation.device,
            self.allocation.threads,
            loaded,
        )

    @cached_property
    def detector(self) -> Detector:
        """Finds mentions; loaded with the first chunk: an error in a constructor would look like a worker's death."""
        detector = open_detector(self.config.detection, self.allocation.device, self.allocation.threads)
        assert detector is not None, "the configuration names one"
        return detector

    def part(self, chunk: pa.Table, crashes: CrashRecord) -> Part:
        """Link a chunk."""
        if self.config.detection.detects:
            options = replace(self.config.read_options, source_only=False)
            existing = self.config.detection.existing_annotations
            chunk = add_mentions(chunk, self.detector, options, existing, crashes)
        types, linker = self.linkers[0]
        chunk, rankings = link_by_type(chunk, self.linkers, crashes) if types else linker.link(chunk, crashes)
        return render(chunk, rankings)
