"""An ontology of the OBO library (HPO, MONDO, Uberon ...), as OBO or OBO Graphs JSON; `obo_files` reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from raybel.config import FilePath, Option, Words, configuration
from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept
from raybel.prepare.common import build_ontology
from raybel.prepare.lists import note_ids
from raybel.prepare.obo_files import Term, read_terms
from raybel.prepare.outputs import OntologyOut, write_ontology

#: Scopes of synonyms, in the order in which they are shown.
SCOPES = ("exact", "narrow", "broad", "related")


@configuration
class OboConfig:
    """Which terms and synonyms of an OBO file to take, and where to write the ontology."""

    obo: Annotated[FilePath, Option("OBO or OBO Graphs JSON, plain or gzipped.", "FILE")]
    out: OntologyOut
    scopes: Annotated[
        Words, Option("Synonyms of these scopes become aliases, with commas between.", "exact,narrow,broad,related")
    ] = ("exact",)
    prefixes: Annotated[
        Words, Option("Terms whose ids have one of these prefixes (MONDO, HP ...) are kept.", "PREFIX,...", "all")
    ] = ()

    def __post_init__(self) -> None:
        if wrong := [scope for scope in self.scopes if scope not in SCOPES]:
            raise ConfigError(f"the scopes of synonyms are {', '.join(SCOPES)}, not {', '.join(wrong)}")


@dataclass
class OboSummary:
    """The outcome of a preparation.

    Args:
        ontology: `summary.counts_of` the ontology.
        counts: What is counted in the file and its count, in the order in which they are shown.
        notes: What a person should know: terms that are replaced by several, unknown or obsolete ones.
    """

    ontology: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def prepare_obo(config: OboConfig, say: Callable[[str], None] = lambda line: None) -> OboSummary:
    """Read a file twice, obsolete terms first, and write the ontology; `say` gets a line for each longer step.

    Obsolete terms are left out; the id and alternative ids of one that is replaced by exactly one term become
    alternative ids of that term (or of what replaces it in turn). Aliases of another scope than exact have it as their
    source. Definitions lose their references, parents are the `is_a` ids.

    Raises:
        InputError: See `obo_files.read_terms`; an id that appears twice; no term that is to be kept.
        ConfigError: The output can't be written.
    """
    summary = OboSummary()
    say(f"reading {config.obo}")
    further = _obsolete_ids(config, summary)
    counts: Counter[str] = Counter()
    ontology = build_ontology(_concepts(config, further, counts), config.obo)
    summary.ontology = write_ontology(ontology, config.out, say)
    for scope in SCOPES:
        what = "as aliases" if scope in config.scopes else "left out"
        summary.counts[f"{scope} synonyms, {what}"] = counts[scope]
    summary.counts["terms without a name"] = counts["nameless"]
    return summary


def _read(path: str, ignored: Counter[str]) -> Iterator[Term]:
    try:
        yield from read_terms(path, ignored)
    except InputError as error:
        if error.path:
            raise
        raise InputError(error.message, path=path) from error


def _obsolete_ids(config: OboConfig, summary: OboSummary) -> dict[str, list[str]]:
    """Return the ids that obsolete terms leave to each term that is kept; `summary` gets counts and notes."""
    live: dict[str, str] = {}  # ids and alternative ids of terms that are kept -> their ids
    obsolete: dict[str, Term] = {}
    ignored: Counter[str] = Counter()
    terms = others = 0
    for term in _read(config.obo, ignored):
        terms += 1
        if not _wanted(term.term_id, config.prefixes):
            others += 1
        elif term.obsolete:
            obsolete[term.term_id] = Term(
                term.where, term.term_id, alt_ids=term.alt_ids, replaced_by=list(dict.fromkeys(term.replaced_by))
            )
        else:
            live[term.term_id] = term.term_id
            for alt_id in term.alt_ids:
                live.setdefault(alt_id, term.term_id)
    further: dict[str, list[str]] = {}
    lost = []
    for term in obsolete.values():
        last, seen = term, {term.term_id}
        while len(last.replaced_by) == 1 and last.replaced_by[0] in obsolete and last.replaced_by[0] not in seen:
            last = obsolete[last.replaced_by[0]]
            seen.add(last.term_id)
        if len(last.replaced_by) == 1 and last.replaced_by[0] in live:
            further.setdefault(live[last.replaced_by[0]], []).extend([term.term_id, *term.alt_ids])
        elif term.replaced_by:
            lost.append(term.term_id)
    replaced = sum(bool(term.replaced_by) for term in obsolete.values()) - len(lost)
    summary.counts = {
        "terms": terms,
        "of other prefixes, left out": others,
        "obsolete, left out": len(obsolete),
        "replaced, whose ids are kept": replaced,
        **{f"{kind}, not read": count for kind, count in sorted(ignored.items())},
    }
    summary.notes = note_ids(lost, "obsolete term", "replaced by several, unknown or obsolete ones")
    return further


def _concepts(config: OboConfig, further: dict[str, list[str]], counts: Counter[str]) -> Iterator[tuple[str, Concept]]:
    for term in _read(config.obo, Counter()):
        if term.obsolete or not _wanted(term.term_id, config.prefixes):
            continue
        counts["nameless"] += not term.name
        counts.update(scope for _, scope in term.synonyms)
        # Exact ones first: of a name that is there twice, the first one's scope counts.
        kept = [(name, scope) for name, scope in term.synonyms if scope in config.scopes]
        kept.sort(key=lambda synonym: synonym[1] != "exact")
        alt_ids = dict.fromkeys([*term.alt_ids, *further.get(term.term_id, [])])
        alt_ids.pop(term.term_id, None)
        yield (
            term.where,
            Concept(
                term.term_id,
                term.name,
                [name for name, _ in kept],
                term.definition,
                alt_ids=list(alt_ids),
                alias_sources=["" if scope == "exact" else scope for _, scope in kept],
                parents=list(dict.fromkeys(term.parents)),
            ),
        )


def _wanted(term_id: str, prefixes: tuple[str, ...]) -> bool:
    return not prefixes or term_id.partition(":")[0].lower() in {prefix.lower().rstrip(":") for prefix in prefixes}
