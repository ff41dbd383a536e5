"""What the link job maps over chunks: detection, candidates, their re-ranking, then the chunk's part."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from raybel.jobs.detect.stage import DetectingStage
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.routes import Route
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.linking.linker import Linker
from raybel.linking.poison import CrashRecord
from raybel.linking.render import render
from raybel.linking.routing import link_by_type
from raybel.reporting import tally
from raybel.runs.inputs import RunInput
from raybel.runs.parts import Part
from raybel.runs.run_directory import RunDirectory


class LinkStage(DetectingStage):
    """Finds a chunk's mentions where that is asked for, links them, and writes the chunk's part; one per actor.

    All in one actor: a chunk with its candidates needn't travel once more, and no worker starts for writing alone.

    Args:
        config: What the job is asked to do.
        routes: The types of mentions (none for all), what they are linked to, its ontology's path for workers and name.
        allocation: What an actor has.
        run: As `ChunkStage`.
        inputs: As `ChunkStage`.
        session: As `ChunkStage`.
    """

    def __init__(
        self,
        config: LinkConfig,
        routes: list[tuple[tuple[str, ...], Route, str, str]],
        allocation: Allocation,
        run: RunDirectory,
        inputs: dict[str, RunInput],
        session: Session,
    ) -> None:
        super().__init__(run, config.detection, config.read_options, allocation, inputs, session)
        self.config = config
        loaded: dict[str, Any] = {}
        self.linkers = [
            (frozenset(types), self._linker(route, ontology, name, loaded)) for types, route, ontology, name in routes
        ]

    def _linker(self, route: Route, ontology: str, name: str, loaded: dict[str, Any]) -> Linker:
        return Linker(
            ontology,
            name,
            route.generator,
            route.reranker_model,
            self.config.top_k,
            route.threshold,
            self.config.precision,
            self.allocation.device,
            self.allocation.threads,
            self.config.rerank,
            loaded,
            self.config.split_composites,
        )

    def part(self, chunk: pa.Table, crashes: CrashRecord) -> Part:
        """Link a chunk."""
        chunk = self.with_mentions(chunk, crashes)
        types, linker = self.linkers[0]
        chunk, rankings = link_by_type(chunk, self.linkers, crashes) if types else linker.link(chunk, crashes)
        with tally.seconds_of("writing"):
            return render(chunk, rankings)
