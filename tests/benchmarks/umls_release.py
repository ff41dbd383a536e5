"""A synthetic UMLS release of the true size, with MEDIC's and MeSH's concepts in it, so that gold ids can be found."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from raybel.ontology import Ontology

CONCEPTS, ROWS, DEFINITIONS, TYPES, EARLIER = 3_400_000, 8_700_000, 250_000, 3_700_000, 1_200_000
SOURCES = ("MSH", "SNOMEDCT_US", "NCI", "MDR", "RXNORM", "LNC", "ICD10CM", "CHV")
_WORDS = (
    "a",
    "disorder",
    "of",
    "the",
    "tissue",
    "that",
    "is",
    "marked",
    "by",
    "loss",
    "its",
    "function",
    "and",
    "pain",
)


def cui(number: int) -> str:
    """Return a CUI."""
    return f"C{number:07d}"


def real(ontologies: list[Ontology]) -> tuple[dict[str, int], list[list[str]]]:
    """Return a number for each id, and each number's names; concepts with the same id are one."""
    numbers: dict[str, int] = {}
    names: list[list[str]] = []
    for ontology in ontologies:
        for row in ontology.table.select(["concept_id", "name", "aliases"]).to_pylist():
            number = numbers.setdefault(row["concept_id"], len(names))
            if number == len(names):
                names.append([])
            names[number] = list(dict.fromkeys([*names[number], *filter(None, [row["name"], *row["aliases"]])]))
    return numbers, names


def names_of_concepts(own: list[list[str]], concepts: int, names: int) -> Iterator[list[str]]:
    """Yield each concept's names: the real ones' own, then distinct ones recombined from the words of those."""
    draw = random.Random(7)
    every = [name for some in own for name in some]
    words = [name.split() for name in every]
    seen = set(map(hash, every))
    yield from own
    left, missing = names - len(every), concepts - len(own)
    for number in range(missing):
        # As many as the mean asks for, and one more where the share of it that is left over has added up.
        wanted = left * (number + 1) // missing - left * number // missing
        made: list[str] = []
        while len(made) < wanted:
            first, second = draw.choice(words), draw.choice(words)
            name = " ".join(first[: max(1, len(first) // 2)] + second[len(second) // 2 :])
            if hash(name) not in seen:
                seen.add(hash(name))
                made.append(name)
        yield made


def write(meta: Path, own: list[list[str]], share: float = 1.0) -> dict[str, int]:
    """Write the four files below `meta`; return how many rows each has.

    Of the rows of MRCONSO 85 % are distinct names; the others repeat a name in another source, are suppressed, or are
    of another language.
    """
    meta.mkdir(parents=True, exist_ok=True)
    concepts = max(int(CONCEPTS * share), len(own))
    rows = int(ROWS * share)
    draw = random.Random(8)
    count = 0
    with (meta / "MRCONSO.RRF").open("w", encoding="utf-8") as file:
        for number, names in enumerate(names_of_concepts(own, concepts, int(rows * 0.85))):
            more = draw.choices(("again", "old", "foreign"), (5, 3, 2), k=draw.random() < 0.36 and 1)
            kinds = [*((name, "name") for name in names), *((names[0], kind) for kind in more if names)]
            for place, (name, kind) in enumerate(kinds):
                count += 1
                language = "SPA" if kind == "foreign" else "ENG"
                status = ("P" if not place else "S", "PF" if not place else "VO", "N" if place else "Y")
                string = (name + "o" if kind == "foreign" else name).replace("|", r"\|")
                file.write(
                    f"{cui(number)}|{language}|{status[0]}|L{count:08d}|{status[1]}|S{count:08d}|{status[2]}"
                    f"|A{count:08d}||M{number:07d}|D{number:06d}|{SOURCES[count % len(SOURCES)]}|PT|D{number:06d}"
                    f"|{string}|0|{'O' if kind == 'old' else 'N'}|256|\n"
                )
    with (meta / "MRDEF.RRF").open("w", encoding="utf-8") as file:
        definitions = sorted(draw.sample(range(concepts), min(int(DEFINITIONS * share), concepts)))
        for number in definitions:
            text = " ".join(draw.choices(_WORDS, k=40))
            file.write(f"{cui(number)}|A0|AT{number:08d}||MSH|{text}|N|256|\n")
    types = int(TYPES * share)
    with (meta / "MRSTY.RRF").open("w", encoding="utf-8") as file:
        for number in range(concepts):
            for _ in range(types * (number + 1) // concepts - types * number // concepts):
                file.write(f"{cui(number)}|T{1 + draw.randrange(200):03d}|A1.2|Some Type|AT{number:08d}|256|\n")
    earlier = int(EARLIER * share)
    with (meta / "MRCUI.RRF").open("w", encoding="utf-8") as file:
        for old, number in zip(range(earlier), itertools.cycle(range(concepts)), strict=False):
            relation = "SY" if draw.random() < 0.6 else "RB"
            file.write(f"{cui(9_999_999 - old)}|2015AA|{relation}|||{cui(number)}|Y|\n")
    return {"MRCONSO": count, "MRDEF": len(definitions), "MRSTY": types, "MRCUI": earlier, "concepts": concepts}
