"""What to score, and how: the configuration of `evaluate` and `evaluate_spans`."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from annotated_types import Ge

from raybel.config import FilePath, FilePaths, MentionOptions, Option, Seed, Words, configuration
from raybel.corpus.type_names import parse_type_names
from raybel.errors import ConfigError
from raybel.evaluation.policy import Policy


@configuration
class EvaluateConfig:
    """What to score, and how."""

    gold_corpus: Annotated[
        FilePaths, Option("BioC files, a directory or a glob; gold ids in the infon concept_id. Repeatable.", "PATH")
    ]
    pred_corpus: Annotated[
        FilePaths, Option("A run directory of `raybel link`, or BioC files with links. Repeatable.", "PATH")
    ]
    ontology: Annotated[
        FilePath | None,
        Option("Says which ids are known, and which are alternatives.", "FILE", "the run's", made_by="raybel prepare"),
    ] = None
    train_corpus: Annotated[
        FilePaths, Option("Split the scores by what was seen in training. Repeatable.", "PATH")
    ] = ()
    policy: Annotated[
        Policy,
        Option("Which mentions count: linkable, those with one id that the ontology knows; all, every annotated one."),
    ] = "linkable"
    spans: Annotated[
        bool, Option("Score where mentions were found: precision, recall and F1 of spans, of links, of documents.")
    ] = False
    type_names: Annotated[
        Words,
        Option(
            "With --spans: rename types on both sides, before --mention-types chooses among them. Repeatable.",
            "OLD=NEW,...",
        ),
    ] = ()
    ignore_types: Annotated[bool, Option("With --spans: compare spans whatever their types.")] = False
    bootstrap: Annotated[int, Ge(0), Option("Resamples for the 95 % intervals; 0 for none.")] = 1000
    seed: Annotated[Seed, Option("Seed of the resamples.")] = 0
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        if not self.gold_corpus or not self.pred_corpus:
            raise ConfigError("give at least one --gold-corpus and one --pred-corpus")
        parse_type_names(self.type_names)
        if self.spans and self.train_corpus:
            raise ConfigError("--train-corpus splits the scores of links: it doesn't go with --spans")
        for given, option in ((self.type_names, "--type-names"), (self.ignore_types, "--ignore-types")):
            if given and not self.spans:
                raise ConfigError(f"{option} goes with --spans; without it types only group the scores")
