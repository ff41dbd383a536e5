"""What the detection job is asked to do."""

from __future__ import annotations

from dataclasses import field, replace

from raybel.config import DetectionOptions, MentionOptions, Resources, configuration
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.jobs.run_options import CountsFile, InCorpus, InputOptions, MaxBadFraction, OutCorpus, OverwriteRun


@configuration
class DetectConfig:
    """The detection job."""

    in_corpus: InCorpus
    out_corpus: OutCorpus
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    input: InputOptions = field(default_factory=InputOptions)
    max_bad_fraction: MaxBadFraction = 0.01
    overwrite: OverwriteRun = False
    metric_file: CountsFile = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        if not self.detection.detects:
            raise ConfigError("give what finds mentions: --detector, --dictionary, or both")

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        return replace(self.input.read_options(self.mentions), source_only=True)
