"""Acc@1 of an ontology's own unambiguous names, by how their typography is changed.

python tests/benchmarks/typography.py [--data ../shared/data] [--ontology F --ngrams-model DIR [--dense-index DIR]]

Names that belong to one concept are written in another way, kind by kind (only those that the kind changes), and looked
up without their own spelling being known. Without --ontology, MeSH is prepared, n-grams trained and vectors made.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.corpus.text import surface
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.prepare import mesh

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "omicron": "ο",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
}
_GREEK_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(GREEK)})(?![A-Za-z])", re.IGNORECASE)
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_LIGATURES = (("ffi", "ﬃ"), ("ffl", "ﬄ"), ("ff", "ﬀ"), ("fi", "ﬁ"), ("fl", "ﬂ"))
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


def greek(name: str) -> str:
    """Write Greek letters that are spelled as letters."""
    return _GREEK_WORD.sub(lambda match: GREEK[match[1].lower()], name)


def joined_greek(name: str) -> str:
    """The same, without the hyphen or space before it (`IFNγ`)."""
    return re.sub(r"(?<=\w)[ -](?=[α-ω])", "", greek(name))


def spaced_greek(name: str) -> str:
    """Put a space where a spelled Greek letter has a hyphen (`beta thalassemia`)."""
    return re.sub(rf"(?i)(?<![A-Za-z])({'|'.join(GREEK)})-", r"\1 ", name)


def ligatures(name: str) -> str:
    for letters, ligature in _LIGATURES:
        name = name.replace(letters, ligature)
    return name


def accents(name: str) -> str:
    """Put an accent on the first vowel."""
    return re.sub(r"[aeou]", lambda match: {"a": "á", "e": "é", "o": "ö", "u": "ü"}[match[0]], name, count=1)


def superscripts(name: str) -> str:
    """Raise the charge of an ion: `Ca2+`."""
    return re.sub(r"(?<=\w)\d*[+-](?=[ ,)]|$)", lambda match: match[0].translate(_SUPERSCRIPTS), name)


def decomposed(name: str) -> str:
    """Write accented letters as letter and accent; a name without any gets one."""
    return unicodedata.normalize("NFD", accents(name) if without_accents(name) == name else name)


def without_accents(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))


KINDS: dict[str, Callable[[str], str]] = {
    "unchanged": lambda name: name,
    "full width": lambda name: name.translate(_FULL_WIDTH),
    "subscript digits": lambda name: name.translate(_SUBSCRIPTS),
    "superscript digits, + and -": superscripts,
    "Greek letters for spelled ones": greek,
    "Greek letters, joined": joined_greek,
    "spelled Greek letters, spaced": spaced_greek,
    "NFD of accented letters": decomposed,
    "accents put on": accents,
    "hyphen U+2010": lambda name: name.replace("-", "‐"),
    "hyphen U+2011, non-breaking": lambda name: name.replace("-", "‑"),
    "en dash": lambda name: name.replace("-", "–"),
    "minus sign": lambda name: name.replace("-", "−"),
    "apostrophe ’": lambda name: name.replace("'", "’"),
    "prime ′": lambda name: name.replace("'", "′"),
    "ligatures": ligatures,
    "zero-width spaces": lambda name: name[: len(name) // 2] + "\u200b" + name[len(name) // 2 :],
    "soft hyphens": lambda name: name[: len(name) // 2] + "\u00ad" + name[len(name) // 2 :],
    "non-breaking spaces": lambda name: name.replace(" ", "\u00a0"),
    "thin spaces, doubled": lambda name: name.replace(" ", " \u2009"),
    "capitals": str.upper,
    "trade mark sign": lambda name: name + "®",
    "micro sign": lambda name: re.sub(r"(?i)(?<![a-z])mu(?![a-z])", "µ", name),
}


def unambiguous(ontology: Ontology) -> list[tuple[str, int]]:
    """Return the names of one concept alone, as surfaces, with it; single characters are left out."""
    rows, names = ontology.names()
    owners = defaultdict(set)
    for name, row in zip(names, rows.tolist(), strict=True):
        owners[surface(name)].add(row)
    pairs = zip(names, rows.tolist(), strict=True)
    return [(name, row) for name, row in pairs if len(name) > 1 and len(owners[surface(name)]) == 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--ontology")
    parser.add_argument("--ngrams-model")
    parser.add_argument("--dense-index")
    parser.add_argument("--names", type=int, default=400, help="of each kind, at most")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        path = args.ontology or str(home / "mesh.arrow")
        if not args.ontology:
            mesh.read_ontology(str(args.data / "mesh2015")).save(path)
        ngrams, dense = args.ngrams_model or str(home / "ngrams"), args.dense_index or str(home / "dense")
        if not args.ngrams_model:
            train_ngrams(TrainNgramsConfig(path, ngrams))
        if not args.dense_index:
            index_dense(IndexDenseConfig(path, dense, "minilm"))
        ontology = Ontology.open(path)
        generators = {
            "n-grams": open_generator(ontology, GeneratorPaths(ngrams_model=ngrams), threads=2),
            "dense": open_generator(ontology, GeneratorPaths(dense_index=dense), threads=2),
            "hybrid": open_generator(ontology, GeneratorPaths(ngrams, dense), threads=2),
        }
        names = unambiguous(ontology)
        random.Random(0).shuffle(names)
        print(
            f"{len(names):,} unambiguous names of {args.ontology or 'MeSH'}; Acc@1 of up to {args.names} of each kind\n"
        )
        print("| kind | example | names |", " | ".join(generators), "|")
        print("| --- | --- | --- |", " | ".join("---" for _ in generators), "|")
        columns = defaultdict(list)
        for kind, change in KINDS.items():
            changed = [(change(name), row) for name, row in names if kind == "unchanged" or change(name) != name]
            chosen = changed[: args.names]
            if not chosen:
                continue
            queries, golds = [surface(name) for name, _ in chosen], np.array([row for _, row in chosen])
            cells = []
            for label, generator in generators.items():
                found = generator.search(queries, 10)
                first = np.array([candidates["concept"][0] if len(candidates) else -1 for candidates in found])
                columns[label].append(100 * float(np.mean(first == golds)))
                cells.append(f"{columns[label][-1]:.1f}")
            print("|", " | ".join([kind, f"`{chosen[0][0]}`", str(len(chosen)), *cells]), "|", flush=True)
        for title, figure in (("mean", np.mean), ("worst", np.min)):
            print("|", " | ".join([title, "", "", *(f"{figure(values):.1f}" for values in columns.values())]), "|")


if __name__ == "__main__":
    main()
