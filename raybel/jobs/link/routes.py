"""Which ontology, and by which models, mentions of a type are linked to: one for all, or a file of routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raybel.candidates.base import UNKNOWN_GENERATOR, Generator
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.config import GeneratorPaths, OntologyPath, configuration
from raybel.config.named import read_named
from raybel.display import percent
from raybel.files import storage
from raybel.jobs.run_options import RerankerModel, Threshold
from raybel.ontology import Ontology
from raybel.rerank.cascade import Cascade, cascade_for
from raybel.rerank.parameters import CrossEncoderParameters, Crosstype, Rerank
from raybel.rerank.state import cascades_of, describe


@configuration
class Route:
    """What mentions are linked to, and with which models."""

    ontology: OntologyPath
    generator: GeneratorPaths
    reranker_model: RerankerModel = None
    threshold: Threshold = None

    @property
    def encodes(self) -> bool:
        """True if an encoder runs."""
        return uses_encoder(self.generator) or self.reranker_model is not None


def read_routes(path: str) -> list[tuple[tuple[str, ...], Route]]:
    """Return the routes in a YAML or JSON file: a mapping of types to options; types of the same options share one.

    Raises:
        ConfigError: An option is unknown, missing, or of a wrong type; the message names the type.
        InputError: The file can't be read, or isn't a mapping.
    """
    routes: dict[str, tuple[list[str], Route]] = {}
    for name, route in read_named(path, Route, "route").items():
        routes.setdefault(repr(route), ([], route))[0].append(name)
    return [(tuple(sorted(types)), route) for types, route in routes.values()]


def ontology_names(paths: Sequence[str]) -> list[str]:
    """Return what the mentions table calls each of a run's ontologies; the same paths get the same name.

    It is the end of the path: the file's name, and as many folders before it as tell it apart from the run's others;
    at least one where the file is called `ontology`, as `raybel prepare` calls them all. So it is the same on every
    machine whose files lie alike from there on.

    Args:
        paths: Absolute paths or URIs.
    """
    parts = {path: [part for part in storage.name_of(path).split("/") if part] for path in paths}

    def name(path: str) -> str:
        own = parts[path]
        others = [other for elsewhere, other in parts.items() if elsewhere != path]
        least = 2 if own[-1].partition(".")[0] == "ontology" else 1
        fitting = (own[-depth:] for depth in range(least, len(own)))
        return "/".join(next((end for end in fitting if all(each[-len(end) :] != end for each in others)), own))

    return [name(path) for path in paths]


@dataclass(frozen=True)
class OpenedRoute:
    """A route whose models were opened on the driver, to check them and to know what they are.

    Args:
        types: Of the mentions that take it; none for all mentions.
        route: What the configuration says.
        ontology: The ontology.
        generator: The first stage.
        reranker: What the re-ranker's directory says; None for none.
    """

    types: tuple[str, ...]
    route: Route
    ontology: Ontology
    generator: Generator
    reranker: dict[str, Any] | None

    @classmethod
    def open(
        cls,
        types: tuple[str, ...],
        route: Route,
        top_k: int,
        expand_abbreviations: bool,
        any_ontology: bool,
        crosstype: Crosstype | None,
    ) -> OpenedRoute:
        """Open what a route names.

        Raises:
            ConfigError: The generator can't give so many candidates, or its surfaces were made in another way.
            MismatchError: Model and ontology don't belong together.
            InputError: A model can't be read.
        """
        ontology = Ontology.open(route.ontology)
        generator = open_generator(ontology, route.generator)
        generator.check_usable(top_k, expand_abbreviations)
        reranker = None
        if route.reranker_model is not None:
            reranker = describe(route.reranker_model, None if any_ontology else ontology, crosstype)
        return cls(types, route, ontology, generator, reranker)

    @property
    def cascade(self) -> Cascade | None:
        """The rule that says which mentions are sure; None without one that was fitted to this generator."""
        return cascade_for(cascades_of(self.reranker), self.generator) if self.reranker else None

    def identity(self) -> dict[str, Any]:
        """Return what decides its links, as JSON values."""
        calibration = None if self.reranker else self.generator.calibration
        return {
            "ontology": self.ontology.fingerprint,
            "generator": f"{self.generator.name} {self.generator.fingerprint}",
            **({"calibration": calibration.calibration.to_dict()} if calibration else {}),
            **({"reranker": self.reranker["fingerprint"]} if self.reranker else {}),
            **({"types": list(self.types), "threshold": self.route.threshold} if self.types else {}),
        }

    def notes(self, rerank: Rerank, top_k: int) -> list[str]:
        """Return what a person should know of its models.

        Args:
            rerank: Which mentions its re-ranker ranks.
            top_k: Candidates of a mention.
        """
        notes = list(self.ontology.notes)
        if self.reranker and (note := self._fit_note(self.reranker, rerank)):
            notes.append(note)
        if self.reranker:
            from raybel.rerank.details import detail_notes  # imports syntok

            shown = CrossEncoderParameters.of_model(self.reranker["parameters"])
            notes += detail_notes(self.ontology, self.generator.alias_table, shown)
            if shown.top_k != top_k:
                notes.append(
                    f"the re-ranker was trained with {shown.top_k} candidates of a mention, these are {top_k}: what is "
                    f"sure, and its probabilities, were fitted to {shown.top_k} (--top-k)"
                )
        return notes + self._savings_notes(rerank) + self._threshold_notes(rerank)

    def _fit_note(self, reranker: dict[str, Any], rerank: Rerank) -> str:
        """Say what a re-ranker's probabilities were fitted to, where that isn't this generator; "" where it is."""
        kinds = {reranker["generator"], *(held["generator"].split()[0] for held in reranker.get("generators", ()))}
        if not kinds & {self.generator.name, UNKNOWN_GENERATOR} and self.generator.name != UNKNOWN_GENERATOR:
            trained = f"the re-ranker was trained on {' and '.join(sorted(kinds))} candidates"
            if self.cascade is None:
                return (
                    f"{trained}, these are {self.generator.name} ones: its probabilities were fitted to the others' "
                    "scores; `raybel calibrate --reranker-model` fits them to these"
                )
            if self.cascade.ontology == self.ontology.fingerprint:
                return f"{trained}, these are {self.generator.name} ones"
        if self.cascade is None:
            if rerank == "all":
                return ""
            return (
                "the re-ranker has no rule that says which mentions are sure: all are re-ranked; "
                "`raybel calibrate --reranker-model` fits one"
            )
        if self.cascade.ontology != self.ontology.fingerprint:
            and_sure = "" if rerank == "all" else ", and what is sure,"
            return (
                f"the re-ranker's probabilities{and_sure} were fitted to the mentions of another ontology: "
                "`raybel calibrate --reranker-model` fits them to these"
            )
        return ""

    def _savings_notes(self, rerank: Rerank) -> list[str]:
        """Say how many tokens the cascade saves: those of what isn't scored are counted when it is fitted alone."""
        if rerank == "all" or self.cascade is None or not (saved := self.cascade.figures.get("tokens_saved")):
            return []
        of = f" ({', '.join(self.types)})" if self.types else ""
        return [
            f"what is sure or pruned{of} was {percent(saved)} % of the tokens of the re-ranker's validation mentions"
        ]

    def _threshold_notes(self, rerank: Rerank) -> list[str]:
        """Say which threshold to take, or what a threshold means where scores aren't probabilities."""
        calibrated = self.generator.calibration
        if self.reranker is None and calibrated is None and self.route.threshold is not None:
            return [
                f"the threshold is compared with the {self.generator.name} scores themselves, which aren't "
                "probabilities: `raybel calibrate` makes them so"
            ]
        fitted = self.cascade if self.reranker and rerank == "unsure" else None if self.reranker else calibrated
        if fitted is None or fitted.threshold is None or self.route.threshold is not None:
            return []
        return [f"to leave mentions without a concept unlinked, --threshold {fitted.threshold:.2f} is recommended"]
