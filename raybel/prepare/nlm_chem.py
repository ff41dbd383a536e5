"""NLM-Chem (Islamaj et al. 2021), chemicals in full texts, with MeSH 2021 as its ontology.

Files: https://ftp.ncbi.nlm.nih.gov/pub/lu/NLMChem/ and https://doi.org/10.5061/dryad.3tx95x6dz - BioC XML, an article
in each file below `ALL`, and for each split the list of its PMCIDs. Ids stand in the infon `identifier`, several with
`,`, `;` or `|` between. Annotations of the type `MeSH_Indexing_Chemical` say what the article is indexed with; they are
no mentions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.corpus.documents import TYPE
from raybel.errors import InputError
from raybel.files import storage
from raybel.files.patterns import expand
from raybel.prepare import bioc_source, lists, mesh, splits
from raybel.prepare.common import SPLITS, SourceDocument
from raybel.prepare.ids import IdMap
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

LISTS = {
    split: (f"pmcids_{name}.txt", f"pmcids_{name}.txt.gz")
    for split, name in (("train", "train"), ("val", "dev"), ("test", "test"))
}
ARTICLES = "ALL"
_FILE = re.compile(r"(?:PMC)?(\d+)\D.*")


@configuration
class NlmChemConfig:
    """What to prepare, and where to write it."""

    nlmchem_dir: Annotated[FilePath, Option("Directory with ALL/*.xml and pmcids_train.txt etc.", "DIR")]
    mesh2021_dir: Annotated[FilePath, Option("Directory with desc2021.xml and supp2021.xml (or .gz).", "DIR")]
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: DropUnlinkable = False


def prepare_nlm_chem(config: NlmChemConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    All passages are kept, tables and references too, with their infons `type` and `section_type`.

    Raises:
        InputError: A file is missing or can't be read, a PMCID stands in two lists or has two files.
        ConfigError: An output can't be written.
    """
    config.outputs.check()
    directory = config.nlmchem_dir
    split_of, notes = lists.read(directory, LISTS, "PMC")
    files = _files(storage.join(directory, ARTICLES))
    of_split = {name: {key: files[key] for key in files if split_of.get(key) == name} for name in SPLITS}
    notes += lists.listed([key for key in files if key not in split_of], "articles are in no list and were left out")
    notes += lists.listed([key for key in split_of if key not in files], "PMCIDs of the lists have no file")
    if not any(of_split.values()):
        raise InputError(f"no file of {ARTICLES} is of a PMCID in the lists", path=directory)
    say("reading the ontology")
    ontology = mesh.read_ontology(config.mesh2021_dir, 2021)
    source = splits.Source("NLM-Chem", directory, LISTS, read, ",;|")
    where = storage.join(directory, ARTICLES)
    others: Counter[str] = Counter()
    parts = {name: splits.Part(where, _all(paths, others)) for name, paths in of_split.items()}
    id_map = IdMap(ontology, source.separators)
    found = splits.assemble(source, parts, id_map, ontology, config.outputs, config.drop_unlinkable, say, notes)
    left_aside = [f"{count:,} annotations of the type {kind} are left aside" for kind, count in sorted(others.items())]
    if not any(split.mentions for split in found.splits):
        left_aside.append("no annotation is of the type Chemical: is this NLM-Chem?")
    return replace(found, notes=(*found.notes, *left_aside))


def read(path: str, others: Counter[str] | None = None) -> Iterator[SourceDocument]:
    """Yield the articles of a file.

    Args:
        path: Plain or gzipped.
        others: Counts annotations that are no mentions, by type.

    Raises:
        InputError: Not BioC, no documents, cut off.
    """

    def counts(infons: Mapping[str, str]) -> bool:
        chemical = infons.get(TYPE) == "Chemical"
        if others is not None and not chemical:
            others[infons.get(TYPE) or "(none)"] += 1
        return chemical

    return bioc_source.read(path, "identifier", counts, ("section_type",))


def _all(paths: Mapping[str, str], others: Counter[str]) -> Iterator[SourceDocument]:
    """Yield the article of each PMCID's file.

    Raises:
        InputError: As `read`; or a file holds another article than its name says.
    """
    for key, path in paths.items():
        for document in read(path, others):
            if document.doc_id.removeprefix("PMC") != key:
                raise InputError(
                    f"its name says PMCID {key}, its document has the id {document.doc_id}: mend one of them", path=path
                )
            yield document


def _files(directory: str) -> dict[str, str]:
    """Return the file of each PMCID, by number."""
    if not storage.exists(directory):
        raise InputError("no such directory; the corpus has its articles there", path=directory)
    found: dict[str, str] = {}
    for path, name in expand([directory], (".xml", ".xml.gz")):
        key = _FILE.fullmatch(name.rsplit("/", 1)[-1])
        if not key:
            raise InputError("the name doesn't begin with a PMCID", path=path)
        if key[1] in found:
            raise InputError(f"is of the same PMCID as {found[key[1]]}", path=path)
        found[key[1]] = path
    return dict(sorted(found.items(), key=lambda each: int(each[0])))
