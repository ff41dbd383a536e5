"""What a report is made of."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import Ge

from raybel.config import FilePath, FilePaths, MentionOptions, Option, Seed, configuration
from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig
from raybel.files import storage
from raybel.files.storage import join

#: The page's name in the directory that it is about.
PAGE = "report.html"


def check_page_name(option: str, path: str) -> None:
    """Refuse a page's name that a browser wouldn't take for one, before the work begins.

    Args:
        option: Spelled as it is given.
        path: What it was given.

    Raises:
        ConfigError: The suffix is none of a page's.
    """
    if not storage.name_of(path).lower().endswith((".html", ".htm")):
        raise ConfigError(f"{option} {path}: a page's name must end in .html")


@configuration
class ReportConfig:
    """What a page is about, and what is compared with it."""

    directory: FilePath
    gold: Annotated[
        FilePaths,
        Option(
            "Gold annotations to compare a run's links with. Repeatable.", "PATH", names=("--gold", "--gold-corpus")
        ),
    ] = ()
    out: Annotated[FilePath | None, Option("The page.", "FILE.html", default="DIRECTORY/report.html")] = None
    train_corpus: Annotated[
        FilePaths, Option("Split the scores by what was seen in training. Repeatable.", "PATH")
    ] = ()
    ontology: Annotated[
        FilePath | None,
        Option("Says which ids are known, and what they mean.", "FILE", "the run's", made_by="raybel prepare"),
    ] = None
    policy: Annotated[
        Literal["linkable", "all", "belb", "biosyn", "unseen"],
        Option("Which gold mentions count: see `raybel evaluate`."),
    ] = "linkable"
    bootstrap: Annotated[int, Ge(0), Option("Resamples for the 95 % intervals; 0 for none.")] = 1000
    seed: Annotated[Seed, Option("Seed of the samples and the resamples.")] = 0
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        for given, option in ((self.train_corpus, "--train-corpus"), (self.policy != "linkable", "--policy")):
            if given and not self.gold:
                raise ConfigError(f"{option} goes with --gold: without gold annotations there is nothing to score")
        if self.out is not None:
            check_page_name("--out", self.out)

    @property
    def page(self) -> str:
        """Where the page goes."""
        return self.out or join(self.directory, PAGE)

    def evaluation(self, run: str, spans: bool = False) -> EvaluateConfig:
        """Return how a run is scored.

        Args:
            run: Its directory.
            spans: Whether it is where mentions were found that is scored.

        Raises:
            ConfigError: The policy can't be carried out.
        """
        return EvaluateConfig(
            gold_corpus=self.gold,
            pred_corpus=(run,),
            ontology=self.ontology,
            train_corpus=() if spans else self.train_corpus,
            policy=("linkable" if spans and self.policy not in ("linkable", "all") else self.policy,),
            anchors="none",
            spans=spans,
            bootstrap=self.bootstrap,
            seed=self.seed,
            mentions=self.mentions,
        )
