"""Names taken over through mappings: no name gets further owners, twice is once, stripping gives the original back."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology
from raybel.prepare.alias_sources import StripConfig, strip_aliases
from raybel.prepare.enrich import CONTESTED, KNOWN, OWNED, TAKEN, EnrichConfig, EnrichSummary, enrich_ontology

HEADER = "subject_id\tpredicate_id\tobject_id\n"


def save(folder: Path, name: str, concepts: list[Concept]) -> str:
    path = str(folder / f"{name}.arrow")
    Ontology.from_concepts(concepts).save(path)
    return path


def mapped(folder: Path, *pairs: tuple[str, str], name: str = "m") -> str:
    path = folder / f"{name}.sssom.tsv"
    path.write_text(HEADER + "".join(f"{first}\tskos:exactMatch\t{second}\n" for first, second in pairs))
    return str(path)


def names_of(path: str, concept_id: str) -> dict[str, str]:
    ontology = Ontology.open(path)
    row = ontology.index(concept_id)
    assert row is not None
    concept = ontology.concept(row)
    return dict(zip(concept.aliases, concept.alias_sources or [""] * len(concept.aliases), strict=True))


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "plus.arrow")


def run(ontology: str, others: list[str], mapping: str, out: str, **options: tuple[str, ...]) -> EnrichSummary:
    return enrich_ontology(EnrichConfig(ontology, tuple(others), (mapping,), out, **options))


def test_names_are_taken_over_with_their_source(tmp_path: Path, out: str) -> None:
    medic = save(
        tmp_path,
        "medic",
        [
            Concept("D1", "Bog Fever", ["Ague"], alt_ids=["OMIM:9"], parents=["D2"]),
            Concept("D2", "Marsh Fever", ["swamp fever"]),
            Concept("OMIM:3", "Eel pox"),
        ],
    )
    mondo = save(
        tmp_path,
        "mondo",
        [
            Concept("MONDO:1", "bog  fever", ["AGUE", "Bog-land fever", "kin"], alias_sources=["", "", "related"]),
            Concept("MONDO:2", "fen fever", ["Swamp Fever"], alt_ids=["MONDO:22"]),
            Concept("MONDO:3", "eel disease", ["Swamp fever", "fen fever"]),
            Concept("MONDO:4", "nine fever"),
        ],
    )
    pairs = [("MONDO:1", "mesh:D1"), ("MESH:D2", "MONDO:22"), ("MONDO:3", "MIM:3"), ("omim:9", "MONDO:4")]
    summary = run(medic, [mondo], mapped(tmp_path, *pairs, ("MONDO:1", "mesh:D77"), ("MONDO:99", "mesh:D1")), out)
    assert names_of(out, "D1") == {
        "Ague": "",
        "Bog-land fever": "mondo",
        "kin": "mondo:related",
        "nine fever": "mondo",
    }
    # Both D2 and OMIM:3 would get `fen fever`, and D2 owns `swamp fever`.
    assert names_of(out, "D2") == {"swamp fever": ""}
    assert names_of(out, "OMIM:3") == {"eel disease": "mondo"}
    assert summary.names == {TAKEN: 4, KNOWN: 3, CONTESTED: 2, OWNED: 1}
    assert (summary.mapped, summary.grown, summary.sources) == (3, 2, {"mondo": 3, "mondo:related": 1})
    assert list(summary.mappings.values()) == [4, 1, 1, 0]
    assert Ontology.open(out).concept(0).parents == ["D2"]


def test_several_sources_and_labels(tmp_path: Path, out: str) -> None:
    medic = save(tmp_path, "medic", [Concept("D1", "Bog Fever")])
    first = save(tmp_path, "a", [Concept("A:1", "fen fever")])
    second = save(tmp_path, "b", [Concept("B:1", "Fen fever", ["mire fever"]), Concept("B:2", "moor fever")])
    pairs = mapped(tmp_path, ("A:1", "D1"), ("D1", "B:1"), ("B:2", "mesh:D1"))
    run(medic, [first, second], pairs, out, label=("one", "two"))
    assert names_of(out, "D1") == {"fen fever": "one", "mire fever": "two", "moor fever": "two"}
    stripped = str(tmp_path / "stripped.arrow")
    strip_aliases(StripConfig(out, ("two",), stripped))
    assert names_of(stripped, "D1") == {"fen fever": "one"}


def test_prefixes_that_ids_lack(tmp_path: Path, out: str) -> None:
    genes = save(tmp_path, "genes", [Concept("1017", "CDK2")])
    other = save(tmp_path, "other", [Concept("HGNC:1771", "cyclin dependent kinase 2")])
    pairs = mapped(tmp_path, ("HGNC:1771", "NCBIGene:1017"))
    with pytest.raises(ConfigError, match="--bare-prefixes"):
        run(genes, [other], pairs, out)
    run(genes, [other], pairs, out, bare_prefixes=("NCBIGene",))
    assert names_of(out, "1017") == {"cyclin dependent kinase 2": "other"}


def test_mistakes_are_named(tmp_path: Path, out: str) -> None:
    medic = save(tmp_path, "medic", [Concept("D1", "Bog Fever")])
    mondo = save(tmp_path, "mondo", [Concept("MONDO:1", "fen fever")])
    with pytest.raises(ConfigError, match="none of the 1 exact mappings"):
        run(medic, [mondo], mapped(tmp_path, ("MONDO:1", "DOID:1")), out)
    with pytest.raises(ConfigError, match="two ontologies would be called mondo"):
        run(medic, [mondo, mondo], mapped(tmp_path), out)
    with pytest.raises(ConfigError, match="a label for each of the 1"):
        run(medic, [mondo], mapped(tmp_path), out, label=("a", "b"))
    with pytest.raises(ConfigError, match="'alias' can't be a source's name"):
        run(medic, [mondo], mapped(tmp_path), out, label=("alias",))
    with pytest.raises(ConfigError, match="no aliases from mondo; it has: none but its own"):
        strip_aliases(StripConfig(medic, ("mondo",), out))
    with pytest.raises(ConfigError, match="must end in"):
        EnrichConfig(medic, (mondo,), ("m.tsv",), "out.obo")


NAMES = st.lists(st.sampled_from(["a", "A ", "b", "c", "C", "d", "e", "é", "f f", "f  F"]), max_size=4)


def concepts(prefix: str) -> st.SearchStrategy[list[Concept]]:
    def build(lists: list[list[str]]) -> list[Concept]:
        built = []
        for number, names in enumerate(lists):
            sources = ["related" if name == "d" else "" for name in names]
            alt_ids = [f"{prefix}:{number + 10}"]
            built.append(Concept(f"{prefix}:{number}", f"{prefix}{number}", names, "", [], alt_ids, sources))
        return built

    return st.lists(NAMES, min_size=1, max_size=5).map(build)


def owners(ontology: Ontology) -> dict[str, set[int]]:
    owned: dict[str, set[int]] = {}
    for row, name in zip(*ontology.names(), strict=True):
        owned.setdefault(surface(name), set()).add(int(row))
    return owned


@settings(max_examples=80, deadline=None)
@given(
    concepts("X"),
    concepts("Y"),
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14), st.booleans()), min_size=1, max_size=12),
)
def test_properties(mine: list[Concept], theirs: list[Concept], pairs: list[tuple[int, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        original, other = save(home, "x", mine), save(home, "y", theirs)
        pairs = [*pairs, (0, 0, False)]
        ids = [(f"x:{a}", f"Y:{b}") if turned else (f"Y:{b}", f"X:{a}") for a, b, turned in pairs]
        mapping = mapped(home, *ids)
        once, twice, again, stripped = (str(home / f"{name}.arrow") for name in ("once", "twice", "again", "stripped"))
        summary = run(original, [other], mapping, once)
        before, after = Ontology.open(original), Ontology.open(once)
        owned, now = owners(before), owners(after)
        for name, rows in now.items():
            assert rows == owned[name] if name in owned else len(rows) == 1
        run(original, [other], mapping, again)
        assert Path(once).read_bytes() == Path(again).read_bytes()
        run(once, [other], mapping, twice)
        assert Ontology.open(twice).fingerprint == after.fingerprint
        if summary.names[TAKEN]:
            strip_aliases(StripConfig(once, ("y",), stripped))
            assert Ontology.open(stripped).fingerprint == before.fingerprint
        else:
            assert after.fingerprint == before.fingerprint
