"""HPO and MONDO as they are distributed, and MEDIC with MONDO's names, where they are at hand."""

from pathlib import Path

import pytest

from raybel.corpus.text import surface
from raybel.ontology import Ontology
from raybel.prepare import medic
from raybel.prepare.alias_sources import StripConfig, strip_aliases
from raybel.prepare.enrich import TAKEN, EnrichConfig, enrich_ontology
from raybel.prepare.obo import OboConfig, prepare_obo

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real ontologies are not in {DATA}"),
]


def test_hpo(tmp_path: Path) -> None:
    out = str(tmp_path / "hpo.arrow")
    summary = prepare_obo(OboConfig(str(DATA / "hpo/hp.obo.gz"), out, scopes=("exact", "narrow")))
    assert (summary.counts["terms"], summary.counts["obsolete, left out"]) == (19484, 450)
    assert summary.counts["narrow synonyms, as aliases"] == 464
    assert summary.notes == ["1 obsolete term replaced by several, unknown or obsolete ones: HP:0000535"]
    ontology = Ontology.open(out)
    assert ontology.index("HP:0004715") == ontology.index("HP:0000003")


def test_medic_with_names_of_mondo(tmp_path: Path) -> None:
    own, mondo, plus, stripped = (str(tmp_path / f"{name}.arrow") for name in ("medic", "mondo", "plus", "stripped"))
    assert prepare_obo(OboConfig(str(DATA / "mondo/mondo.obo.gz"), mondo)).ontology["concepts"] == 26371
    medic.read_ontology(str(DATA / "ctd/CTD_diseases.tsv.gz")).save(own)
    mappings = tuple(str(DATA / f"mondo/mondo_exactmatch_{name}.sssom.tsv.gz") for name in ("mesh", "omim"))
    summary = enrich_ontology(EnrichConfig(own, (mondo,), mappings, plus))
    assert summary.mapped > 8000
    assert summary.names[TAKEN] > 20_000
    before, after = Ontology.open(own), Ontology.open(plus)

    def shared(ontology: Ontology) -> set[tuple[str, int]]:
        """Pairs of a name and a concept, of the names that several concepts have."""
        pairs = {(surface(name), int(row)) for row, name in zip(*ontology.names(), strict=True)}
        names = [name for name, _ in pairs]
        count = dict.fromkeys(names, 0)
        for name in names:
            count[name] += 1
        return {pair for pair in pairs if count[pair[0]] > 1}

    assert shared(after) == shared(before)
    strip_aliases(StripConfig(plus, ("mondo",), stripped))
    assert Ontology.open(stripped).fingerprint == before.fingerprint
