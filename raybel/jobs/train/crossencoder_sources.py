"""What a cross-encoder's training learns from, opened on the driver: corpora, and ontologies' names before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from raybel.candidates.ngrams import KIND as NGRAMS
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions
from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.display import counted
from raybel.errors import InputError
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.corpora import MAIN, TrainingCorpus, label
from raybel.jobs.train.crossencoder_features import FeatureConfig, Split, make_features, with_sure_rule
from raybel.jobs.train.name_features import make_name_features
from raybel.ontology import Ontology
from raybel.rerank.details import detail_notes
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.alias_scopes import AliasScope, alias_scopes, check_generator, generator_notes
from raybel.rerank.training.features import Features
from raybel.rerank.training.siblings import sibling_notes


class TrainingSource(Protocol):
    """A corpus, or an ontology whose names are learned."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def folder(self) -> str:
        """Its directory, below that of all features; "" for that itself."""

    @property
    def ontology(self) -> str:
        """Fingerprint of what its candidates refer to."""

    @property
    def generator(self) -> str:
        """Kind and fingerprint of what they are from."""


@dataclass(frozen=True)
class OpenedCorpus:
    """A corpus whose ontology and generator were opened, to check them and to know what they are.

    Args:
        name: What it is called.
        folder: Where its features go, below the directory of all features.
        corpus: What the configuration says.
        opened: The ontology.
        generator: Kind and fingerprint of the generator.
        scopes: Alias scopes that its training mentions' candidates are searched with.
        notes: What a person should know.
    """

    name: str
    folder: str
    corpus: TrainingCorpus
    opened: Ontology
    generator: str
    scopes: tuple[AliasScope, ...]
    notes: list[str]

    @classmethod
    def open(cls, name: str, folder: str, corpus: TrainingCorpus, parameters: CrossEncoderParameters) -> OpenedCorpus:
        """Open what a corpus names.

        Raises:
            ConfigError: Candidates that can't be cross-fitted, or are too few.
            MismatchError: Generator and ontology don't belong together.
        """
        ontology = Ontology.open(corpus.ontology)
        generator = open_generator(ontology, corpus.generator)
        check_generator(generator, parameters.top_k, corpus.mentions.expand_abbreviations)
        notes = [
            *generator_notes(generator),
            *detail_notes(ontology, generator.alias_table, parameters),
            *sibling_notes(ontology, parameters),
        ]
        notes = notes if name == MAIN else [f"{name}: {note}" for note in notes]
        scopes = alias_scopes(generator, parameters.dictionary_share) if corpus.train_corpus else ()
        return cls(name, folder, corpus, ontology, f"{generator.name} {generator.fingerprint}", scopes, notes)

    @property
    def ontology(self) -> str:
        """Fingerprint of the ontology."""
        return self.opened.fingerprint

    def identity(self) -> dict[str, Any]:
        """Return what decides what is learned from it, as JSON values."""
        return {
            "ontology": self.ontology,
            "generator": self.generator,
            "corpora": corpus_digests(self.corpus.splits),
            **reading_identity(self.corpus.mentions),
        }


@dataclass(frozen=True)
class NamedOntology:
    """An ontology whose names are learned.

    Args:
        path: Where it is.
        folder: Where its features go, below the directory of all features.
        ontology: Its fingerprint.
    """

    path: str
    folder: str
    ontology: str

    @property
    def name(self) -> str:
        """Its file's name."""
        return storage.name_of(self.path)

    @property
    def generator(self) -> str:
        """The n-grams of its names, which are made with the features."""
        return f"{NGRAMS} {self.ontology}"


@dataclass(frozen=True)
class TrainingSources:
    """All that a training learns from.

    Args:
        corpora: The main one first; may be none.
        named: Ontologies whose names are learned before.
    """

    corpora: Sequence[OpenedCorpus]
    named: Sequence[NamedOntology]

    @classmethod
    def open(cls, config: TrainCrossEncoderConfig) -> TrainingSources:
        """Open what a configuration names; see `OpenedCorpus.open`."""
        corpora = [
            OpenedCorpus.open(name, f"corpus-{number}" if number else "", corpus, config.parameters)
            for number, (name, corpus) in enumerate(config.all_corpora.items())
        ]
        named = [
            NamedOntology(path, f"names-{number}", Ontology.open(path).fingerprint)
            for number, path in enumerate(config.pretrain)
        ]
        return cls(corpora, named)

    @property
    def first(self) -> TrainingSource:
        """The main corpus; where there is none, the first ontology."""
        return self.corpora[0] if self.corpora else self.named[0]

    @property
    def main_name(self) -> str:
        """The name of the main corpus."""
        return self.corpora[0].name if self.corpora else MAIN

    @property
    def notes(self) -> list[str]:
        """What a person should know."""
        return [note for corpus in self.corpora for note in corpus.notes]

    def identity(self) -> dict[str, Any]:
        """Return what decides what is learned, as JSON values."""
        main, *further = [*(corpus.identity() for corpus in self.corpora)] or [{}]
        names = [corpus.name for corpus in self.corpora[1:]]
        return {
            **main,
            **({"further_corpora": dict(zip(names, further, strict=True))} if further else {}),
            **({"names": [each.ontology for each in self.named]} if self.named else {}),
        }

    def settings(self) -> dict[str, Any]:
        """Return what the workers need to find the features, as JSON values."""
        return {"corpora": [*map(_described, self.corpora)], "names": [*map(_described, self.named)]}


def _described(source: TrainingSource) -> dict[str, str]:
    names = ("name", "folder", "generator", "ontology")
    return {name: getattr(source, name) for name in names}


@dataclass(frozen=True)
class FeatureMaker:
    """Makes the features that aren't there, on the Ray that runs.

    Args:
        folder: Files go below it.
        base: Directory of the model whose tokenizer is used.
        positions: The model's window.
        config: What the training is asked to do.
        watch: Called with the stage.
    """

    folder: str
    base: str
    positions: int
    config: TrainCrossEncoderConfig
    watch: Callable[[dict[str, Any]], None]

    def of_corpus(self, source: OpenedCorpus) -> dict[str, dict[str, int]]:
        """Return what was counted of each of a corpus's splits.

        Raises:
            InputError: A file can't be read, or there is nothing to learn from or to judge by.
        """
        corpus = source.corpus
        features = self._features(source, corpus.ontology, corpus.generator, corpus.mentions)
        of = "" if source.name == MAIN else f" of {source.name}"
        self.watch({"stage": f"candidates of the {' and '.join(corpus.splits)} corpus{of}"})
        splits = [
            Split(name, paths, source.scopes if name == "train" else ("all",)) for name, paths in corpus.splits.items()
        ]
        if self.config.parameters.train_on == "unsure":
            splits = with_sure_rule(features, splits, source.opened, corpus.val_corpus)
        counts = make_features(features, splits)
        for split, figures in counts.items():
            name = "" if source.name == MAIN else source.name
            check_counts(figures, corpus.splits[split], source.opened, self.config.parameters.top_k, name)
        return {label(source.name, split): figures for split, figures in counts.items()}

    def shared_documents(self, sources: Sequence[OpenedCorpus]) -> dict[str, int]:
        """Return how many documents of each validation corpus are learned from too, in whichever corpus; no zeros.

        Args:
            sources: Those whose features are made. Documents are the same if their ids are.
        """
        homes = {source.name: self._home(source) for source in sources}
        learned = set[str]().union(*(Features(home, "train").doc_ids() for home in homes.values()))
        shared = {label(name, "val"): len(learned & Features(home, "val").doc_ids()) for name, home in homes.items()}
        return {name: count for name, count in shared.items() if count}

    def of_names(self, sources: Sequence[NamedOntology]) -> dict[str, dict[str, int]]:
        """Return what was counted of each ontology's names, by its path.

        Raises:
            InputError: An ontology can't be read, or has no name to learn.
        """
        if not sources:
            return {}
        configs = [
            self._features(
                source,
                source.path,
                GeneratorPaths(ngrams_model=join(self.folder, source.folder, "ngrams")),
                MentionOptions(),
            )
            for source in sources
        ]

        def watch(stage: str) -> None:
            self.watch({"stage": stage})

        counts = make_name_features(configs, self.config.parameters.pretrain_examples, self.config.seed, watch)
        return {source.path: of_names for source, of_names in zip(sources, counts, strict=True)}

    def _features(
        self, source: TrainingSource, ontology: str, generator: GeneratorPaths, mentions: MentionOptions
    ) -> FeatureConfig:
        parameters, resources = self.config.parameters, self.config.resources
        return FeatureConfig(
            self._home(source), ontology, generator, self.base, self.positions, parameters, mentions, resources
        )

    def _home(self, source: TrainingSource) -> str:
        return join(self.folder, source.folder) if source.folder else self.folder


def shared_notes(shared: Mapping[str, int]) -> list[str]:
    """Return what a person should know of documents that are learned from and judged by.

    Args:
        shared: How many there are of each validation corpus.
    """
    return [
        f"{counted(count, 'document')} of the corpus {name} with an id that training documents have too: if they are "
        "the same, its scores, and what is fitted to it, come out too good"
        for name, count in shared.items()
    ]


def check_counts(counts: dict[str, int], paths: Sequence[str], ontology: Ontology, top_k: int, name: str = "") -> None:
    """Refuse a corpus that there is nothing to learn from, or to judge by.

    Args:
        counts: Of its features, by name.
        paths: The corpus, for the error.
        ontology: Whose concepts count.
        top_k: Candidates of a mention.
        name: What the corpus is called, where there are several.

    Raises:
        InputError: No mention can be linked, or none has its concept among the candidates.
    """
    which = f"corpus {name}: " if name else ""
    if not counts["mentions"]:
        raise InputError(
            f"{which}no mention has a single id that {ontology.path} knows: are corpus and ontology of the same kind?",
            path=", ".join(paths),
        )
    if counts["without_gold"] == counts["mentions"]:
        raise InputError(
            f"{which}none of {counts['mentions']} mentions has its concept among {top_k} candidates: all labels would "
            "be negative; give another generator or a larger top_k",
            path=", ".join(paths),
        )
