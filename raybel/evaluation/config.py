"""What to score, compare or look at, and how: configurations of `evaluate`, `evaluate_spans`, `compare` and `show`."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Annotated, Literal

from annotated_types import Ge

from raybel.config import Count, FilePath, FilePaths, MentionOptions, Option, Seed, Words, configuration
from raybel.corpus.type_names import parse_type_names
from raybel.errors import ConfigError
from raybel.evaluation.policy import EVERY, POLICIES, SPAN_POLICIES


@configuration
class EvaluateConfig:
    """What to score, and how."""

    gold_corpus: Annotated[
        FilePaths,
        Option(
            "BioC files, a directory or a glob; gold ids in the infon concept_id. Repeatable.",
            "PATH",
            names=("--gold-corpus", "--gold"),
        ),
    ]
    pred_corpus: Annotated[
        FilePaths,
        Option("A directory of `raybel link` or `raybel pubmed`, or BioC files with links. Repeatable.", "PATH"),
    ]
    ontology: Annotated[
        FilePath | None,
        Option("Says which ids are known, and which are alternatives.", "FILE", "the run's", made_by="raybel prepare"),
    ] = None
    train_corpus: Annotated[
        FilePaths, Option("Split the scores by what was seen in training. Repeatable.", "PATH")
    ] = ()
    policy: Annotated[
        Words,
        Option(
            "Which mentions count, and when they are right: linkable, those with one id that the ontology knows; all, "
            "every annotated one; belb, biosyn, as those benchmarks; unseen, those of linkable that training lacks; "
            "every, each that the inputs allow. Repeatable, or with commas.",
            "NAME,...",
        ),
    ] = ("linkable",)
    anchors: Annotated[
        Literal["ncbi-disease", "bc5cdr", "none"] | None,
        Option(
            "The corpus whose published figures stand beside scores by the policies belb and biosyn.",
            default="what `raybel prepare` wrote into the gold corpus",
        ),
    ] = None
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
        self._check_policies()
        if self.spans and self.train_corpus:
            raise ConfigError("--train-corpus splits the scores of links: it doesn't go with --spans")
        for given, option in ((self.type_names, "--type-names"), (self.ignore_types, "--ignore-types")):
            if given and not self.spans:
                raise ConfigError(f"{option} goes with --spans; without it types only group the scores")

    def _check_policies(self) -> None:
        known = (*POLICIES, EVERY)
        if not self.policy:
            raise ConfigError(f"policy: give at least one of {', '.join(known)}")
        if unknown := [name for name in self.policy if name not in known]:
            raise ConfigError(f"policy: there is no {unknown[0]}; there are {', '.join(known)}")
        if self.spans and (len(self.policies) > 1 or self.policies[0] not in SPAN_POLICIES):
            raise ConfigError(
                f"--spans goes with one policy, {' or '.join(SPAN_POLICIES)}, not {', '.join(self.policy)}"
            )
        if "unseen" in self.policy and not self.train_corpus:
            raise ConfigError(
                "--policy unseen leaves out what training has, and nothing says what that is: give the corpus with "
                "--train-corpus"
            )
        if self.anchors not in (None, "none") and not {"belb", "biosyn"}.intersection(self.policies):
            raise ConfigError(f"--anchors {self.anchors}: figures are published by --policy belb or biosyn alone")

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies, each once, in the order in which they are asked for; `every` is each that the inputs allow."""
        allowed = [name for name in POLICIES if name != "unseen" or self.train_corpus]
        asked = [name for given in self.policy for name in (allowed if given == EVERY else (given,))]
        return tuple(dict.fromkeys(asked))


@configuration
class CompareConfig:
    """Which runs to compare, and how."""

    runs: FilePaths
    gold_corpus: Annotated[
        FilePaths,
        Option(
            "BioC files, a directory or a glob: say which run is right, not only where they differ. Repeatable.",
            "PATH",
            names=("--gold-corpus", "--gold"),
        ),
    ] = ()
    ontology: Annotated[
        FilePath | None,
        Option("Says which ids are known, and which are alternatives.", "FILE", "the runs'", made_by="raybel prepare"),
    ] = None
    train_corpus: Annotated[
        FilePaths, Option("Split the differences by what was seen in training. Repeatable.", "PATH")
    ] = ()
    policy: Annotated[
        Words,
        Option("Which gold mentions count, and when they are right, as in `raybel evaluate`. Repeatable.", "NAME,..."),
    ] = ("linkable",)
    anchors: Annotated[
        Literal["ncbi-disease", "bc5cdr", "none"] | None,
        Option(
            "The corpus whose published figures stand beside scores by the policies belb and biosyn.",
            default="what `raybel prepare` wrote into the gold corpus",
        ),
    ] = None
    examples: Annotated[int, Ge(0), Option("How many changes of each kind are shown, the most frequent ones.")] = 10
    bootstrap: Annotated[int, Ge(0), Option("Resamples for the 95 % intervals; 0 for none.")] = 1000
    seed: Annotated[Seed, Option("Seed of the resamples.")] = 0
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise ConfigError("give at least two runs to compare")
        if len(set(self.runs[1:])) < len(self.runs) - 1:
            raise ConfigError("a run is given twice to be compared with the first one")
        if self.gold_corpus:
            self.scoring(self.runs[0])  # checks the policies
            return
        defaults = {item.name: item.default for item in fields(CompareConfig)}
        for name in ("ontology", "train_corpus", "policy", "anchors"):
            if getattr(self, name) != defaults[name]:
                raise ConfigError(f"--{name.replace('_', '-')} goes with --gold-corpus: it is of scores")

    def scoring(self, run: str) -> EvaluateConfig:
        """Return how one of the runs is scored."""
        names = ("gold_corpus", "ontology", "train_corpus", "policy", "anchors", "bootstrap", "seed", "mentions")
        return EvaluateConfig(pred_corpus=(run,), **{name: getattr(self, name) for name in names})


@configuration
class ShowConfig:
    """Which documents and mentions of a run to show."""

    run: FilePath
    documents: Annotated[
        Count | None,
        Option("How many documents to show.", default="all that --doc-id names, 10 by other options, else 1"),
    ] = None
    doc_id: Annotated[
        tuple[str, ...], Option("Show the document of this id, wherever in the run it is. Repeatable.", "ID")
    ] = ()
    concept: Annotated[
        tuple[str, ...], Option("Show the mentions linked to a concept, with their passages. Repeatable.", "ID")
    ] = ()
    wrong: Annotated[
        bool, Option("Show the mentions whose first link isn't gold's: by --gold-corpus, else by the run's own.")
    ] = False
    unsure: Annotated[bool, Option("Show the mentions that weren't settled before re-ranking.")] = False
    gold_corpus: Annotated[
        FilePaths,
        Option(
            "With --wrong: BioC files, a directory or a glob. Repeatable.", "PATH", names=("--gold-corpus", "--gold")
        ),
    ] = ()
    ontology: Annotated[
        FilePath | None,
        Option("Says which ids are alternatives of which.", "FILE", "the run's", made_by="raybel prepare"),
    ] = None
    policy: Annotated[
        Literal["linkable", "all"],
        Option("With --wrong: which mentions count, and when they are right, as in `raybel evaluate`."),
    ] = "linkable"
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        if self.gold_corpus and not self.wrong:
            raise ConfigError("--gold-corpus says which links are wrong: give --wrong with it")

    @property
    def chooses(self) -> bool:
        """True if some mentions are asked for, not whole documents."""
        return bool(self.concept or self.wrong or self.unsure)

    @property
    def kind(self) -> str:
        """What the mentions that are asked for are, in words."""
        linked = [f"linked to {' or '.join(self.concept)}"] if self.concept else []
        return " and ".join([*linked, *(name for name in ("wrong", "unsure") if getattr(self, name))])

    @property
    def most(self) -> int | None:
        """How many documents are shown at most; None for as many as there are."""
        if self.documents is not None:
            return self.documents
        return 10 if self.chooses else None if self.doc_id else 1
