"""What the detection job maps over chunks, and the link job does first, where it is asked to: mentions found."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import pyarrow as pa

from raybel.candidates.base import chunk_surfaces
from raybel.config import DetectionOptions
from raybel.corpus.documents import ReadOptions
from raybel.detection.base import Detector
from raybel.detection.registry import open_detector
from raybel.jobs.chunk_stage import ChunkStage
from raybel.jobs.detect.config import DetectConfig
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.linking.detection import add_mentions
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings
from raybel.linking.render import render
from raybel.reporting import tally
from raybel.runs.inputs import RunInput
from raybel.runs.parts import Part
from raybel.runs.run_directory import RunDirectory


class DetectingStage(ChunkStage):
    """Finds mentions before it does anything else with a chunk.

    Args:
        run: As `ChunkStage`.
        detection: What finds mentions.
        options: How documents are read.
        allocation: What an actor has.
        inputs: As `ChunkStage`.
        session: As `ChunkStage`.
    """

    def __init__(
        self,
        run: RunDirectory,
        detection: DetectionOptions,
        options: ReadOptions,
        allocation: Allocation,
        inputs: dict[str, RunInput],
        session: Session,
    ) -> None:
        super().__init__(run, inputs, session)
        self.detection, self.options, self.allocation = detection, replace(options, source_only=False), allocation

    @cached_property
    def detector(self) -> Detector:
        """Finds mentions; loaded with the first chunk: an error in a constructor would look like a worker's death."""
        detector = open_detector(self.detection, self.allocation.device, self.allocation.threads)
        assert detector is not None, "the configuration names one"
        return detector

    def with_mentions(self, chunk: pa.Table, crashes: CrashRecord) -> pa.Table:
        """Return a chunk with the mentions that are found; as it is, where none are to be found."""
        if not self.detection.detects:
            return chunk
        detector = self.detector  # loading it isn't detecting
        with tally.seconds_of("detection"):
            return add_mentions(chunk, detector, self.options, self.detection.existing_annotations, crashes)


class DetectStage(DetectingStage):
    """Finds a chunk's mentions, and writes the chunk's part; one per actor."""

    def __init__(
        self,
        config: DetectConfig,
        allocation: Allocation,
        run: RunDirectory,
        inputs: dict[str, RunInput],
        session: Session,
    ) -> None:
        super().__init__(run, config.detection, config.read_options, allocation, inputs, session)

    def part(self, chunk: pa.Table, crashes: CrashRecord) -> Part:
        """Find a chunk's mentions."""
        found = self.with_mentions(chunk, crashes)
        with tally.seconds_of("writing"):
            return render(found, Rankings.none(len(chunk_surfaces(found))))
