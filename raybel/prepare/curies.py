"""Ids of concepts as other files write them: CURIEs (`mesh:D003924`), IRIs, or bare (`D003924`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from raybel.ontology import BARE_PREFIXES

#: Other spellings of a prefix, in lower case.
_SPELLINGS = {
    "mim": "omim",
    "msh": "mesh",
    "meshd": "mesh",
    "umls_cui": "umls",
    "snomedct_us": "snomedct",
    "snomed": "snomedct",
    "sctid": "snomedct",
    "orpha": "orphanet",
    "nci": "ncit",
}
_OBO_IRI = re.compile(r"https?://purl\.obolibrary\.org/obo/([A-Za-z][A-Za-z0-9_]*)_([A-Za-z0-9]+)")
#: IRIs of well-known vocabularies, which a file may use without declaring them: prefix, local id.
_IRIS = (
    _OBO_IRI,
    re.compile(r"https?://(?:www\.)?identifiers\.org/([A-Za-z][\w.]*)[/:](?:\1:)?(.+)", re.IGNORECASE),
    re.compile(r"https?://bioregistry\.io/([A-Za-z][\w.]*):(.+)"),
    re.compile(r"https?://id\.nlm\.nih\.gov/(mesh)/(?:vocab#)?(\w+)"),
    re.compile(r"https?://(?:www\.)?(omim)\.org/entry/(\w+)"),
    re.compile(r"https?://www\.(orpha)\.net/ORDO/Orphanet_(\w+)"),
    re.compile(r"https?://snomed\.info/(sct)id/(\w+)"),
)


def obo_curie(identifier: str) -> str:
    """Return an IRI of the OBO library as a CURIE (`HP:0000001`), any other id as it is."""
    match = _OBO_IRI.fullmatch(identifier.strip())
    return f"{match[1]}:{match[2]}" if match else identifier.strip()


def compact(identifier: str, curie_map: Mapping[str, str]) -> str:
    """Return an IRI as a CURIE by a map of prefixes (its longest fitting IRI) or a well-known one; others as they are.

    Args:
        identifier: An IRI, also in angle brackets, or anything else.
        curie_map: Prefix -> IRI.
    """
    plain = identifier.strip()
    if "://" not in plain:
        return plain
    plain = plain.removeprefix("<").removesuffix(">")
    fitting = [(len(base), prefix) for prefix, base in curie_map.items() if base and plain.startswith(base)]
    if fitting:
        length, prefix = max(fitting)
        return f"{prefix}:{plain[length:]}"
    match = next((match for pattern in _IRIS if (match := pattern.fullmatch(plain))), None)
    return f"{match[1]}:{match[2]}" if match else plain


def id_key(
    identifier: str, curie_map: Mapping[str, str] | None = None, bare_prefixes: Collection[str] = BARE_PREFIXES
) -> str:
    """Return what two spellings of one id have in common: `mesh:D003924`, `MESH:D003924` and `D003924` are the same.

    A prefix is compared without case and by its usual name (`MIM` is `OMIM`; `OMIMPS` isn't), and is left out where it
    is one of `bare_prefixes`, as raybel's ontologies leave it out. A local id keeps its case.

    Args:
        identifier: A CURIE, an IRI, or a bare id.
        curie_map: Prefix -> IRI, for IRIs.
        bare_prefixes: Prefixes, in lower case, whose ids may stand without one.
    """
    plain = compact(identifier, curie_map or {})
    prefix, colon, local = plain.partition(":")
    if not colon or local.startswith("//"):
        return plain
    prefix, local = prefix.strip().lower(), local.strip()
    prefix = _SPELLINGS.get(prefix, prefix)
    if local.lower().startswith(prefix + ":"):  # some write MESH:MESH:D003924
        local = local[len(prefix) + 1 :]
    return local if prefix in bare_prefixes else f"{prefix}:{local}"
