"""NLM-Chem (Islamaj et al. 2021), chemicals in full texts, with MeSH 2021 as its ontology.

Files: https://ftp.ncbi.nlm.nih.gov/pub/lu/NLMChem/ and https://doi.org/10.5061/dryad.3tx95x6dz - BioC XML, an article
in each file below `ALL`, and for each split the list of its PMCIDs. Ids are in the infon `identifier`, several with
`,`, `;` or `|` between. Annotations of the type `MeSH_Indexing_Chemical` say what the article is indexed with; they
aren't mentions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.corpus.documents import TYPE_INFON
from raybel.display import counted
from raybel.errors import InputError
from raybel.files import storage
from raybel.files.patterns import expand
from raybel.prepare import bioc_source, lists, mesh, splits
from raybel.prepare.common import SPLITS, SourceDocument
from raybel.prepare.ids import IdResolver
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

SPLIT_LISTS = {
    split: (f"pmcids_{name}.txt", f"pmcids_{name}.txt.gz")
    for split, name in (("train", "train"), ("val", "dev"), ("test", "test"))
}
#: The directory of the articles.
ARTICLES = "ALL"
_FILE_NAME = re.compile(r"(?:PMC)?(\d+)\D.*")


@configuration
class NlmChemConfig:
    """What to prepare NLM-Chem from, and where to write it."""

    nlmchem_dir: Annotated[FilePath, Option("Directory with ALL/*.xml and pmcids_train.txt etc.", "DIR")]
    mesh2021_dir: Annotated[FilePath, Option("Directory with desc2021.xml and supp2021.xml (or .gz).", "DIR")]
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: DropUnlinkable = False


def prepare_nlm_chem(config: NlmChemConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    All passages are kept, tables and references too, with their infons `type` and `section_type`.

    Raises:
        InputError: A file is missing or can't be read, a PMCID is in two lists or has two files.
        ConfigError: An output can't be written.
    """
    config.outputs.check()
    directory = config.nlmchem_dir
    articles = storage.join(directory, ARTICLES)
    split_of, notes = lists.read_splits(directory, SPLIT_LISTS, "PMC")
    files = _article_files(articles)
    split_files = {name: {pmcid: files[pmcid] for pmcid in files if split_of.get(pmcid) == name} for name in SPLITS}
    notes += lists.note_ids((pmcid for pmcid in files if pmcid not in split_of), "article", "in no list, left out")
    notes += lists.note_ids((pmcid for pmcid in split_of if pmcid not in files), "PMCID", "of the lists without a file")
    if not any(split_files.values()):
        raise InputError(f"no file of {ARTICLES} is of a PMCID in the lists", path=directory)
    say("reading the ontology")
    ontology = mesh.read_ontology(config.mesh2021_dir, 2021)
    corpus = splits.SourceCorpus("NLM-Chem", directory, SPLIT_LISTS, read, ",;|")
    other_types: Counter[str] = Counter()
    source_splits = {
        name: splits.SourceSplit(articles, _read_articles(paths, other_types)) for name, paths in split_files.items()
    }
    resolver = IdResolver(ontology, corpus.separators)
    summary = splits.resolve_and_write(
        corpus, source_splits, resolver, ontology, config.outputs, config.drop_unlinkable, say, notes
    )
    type_notes = [
        f"{counted(count, 'annotation')} of the type {kind} left out" for kind, count in sorted(other_types.items())
    ]
    if not any(split.mentions for split in summary.splits):
        type_notes.append("no annotation is of the type Chemical: is this NLM-Chem?")
    return replace(summary, notes=(*summary.notes, *type_notes))


def read(path: str, other_types: Counter[str] | None = None) -> Iterator[SourceDocument]:
    """Yield the articles of a file.

    Args:
        path: Plain or gzipped.
        other_types: Counts the annotations that aren't mentions, by type; None to not count them.

    Raises:
        InputError: Not BioC, no documents, cut off.
    """

    def is_chemical(infons: Mapping[str, str]) -> bool:
        chemical = infons.get(TYPE_INFON) == "Chemical"
        if other_types is not None and not chemical:
            other_types[infons.get(TYPE_INFON) or "(none)"] += 1
        return chemical

    return bioc_source.read(path, "identifier", is_chemical, ("section_type",))


def _read_articles(paths: Mapping[str, str], other_types: Counter[str]) -> Iterator[SourceDocument]:
    """Yield the article of each PMCID's file.

    Raises:
        InputError: As `read`; or a file holds another article than its name says.
    """
    for pmcid, path in paths.items():
        for document in read(path, other_types):
            if document.doc_id.removeprefix("PMC") != pmcid:
                raise InputError(
                    f"its name says PMCID {pmcid}, its document has the id {document.doc_id}: correct one of them",
                    path=path,
                )
            yield document


def _article_files(directory: str) -> dict[str, str]:
    """Return the file of each PMCID (its digits), by number."""
    if not storage.exists(directory):
        raise InputError("no such directory; the corpus has its articles there", path=directory)
    files: dict[str, str] = {}
    for path, name in expand([directory], (".xml", ".xml.gz")):
        match = _FILE_NAME.fullmatch(name.rsplit("/", 1)[-1])
        if not match:
            raise InputError("the name doesn't begin with a PMCID", path=path)
        if match[1] in files:
            raise InputError(f"is of the same PMCID as {files[match[1]]}", path=path)
        files[match[1]] = path
    return dict(sorted(files.items(), key=lambda item: int(item[0])))
