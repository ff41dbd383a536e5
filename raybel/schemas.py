"""Arrow schemas: the contract between the stages (offsets are code points from the document's start)."""

from __future__ import annotations

import pyarrow as pa

from raybel.errors import MismatchError

#: A row for each concept. `alias_sources` says where each alias is from ("" is the ontology itself); it is empty where
#: all are the ontology's own. `parents` are concept ids, `tree_numbers` places in a hierarchy as MeSH writes them.
ONTOLOGY = pa.schema(
    [
        ("concept_id", pa.string()),
        ("name", pa.string()),
        ("aliases", pa.list_(pa.string())),
        ("definition", pa.string()),
        ("types", pa.list_(pa.string())),
        ("alt_ids", pa.list_(pa.string())),
        ("alias_sources", pa.list_(pa.string())),
        ("parents", pa.list_(pa.string())),
        ("tree_numbers", pa.list_(pa.string())),
    ]
)
#: The columns that an ontology's file may lack: they are empty then.
OPTIONAL_ONTOLOGY_COLUMNS = ("alias_sources", "parents", "tree_numbers")

SENTENCE = pa.struct([("start", pa.int32()), ("end", pa.int32())])

PASSAGE = pa.struct([("offset", pa.int32()), ("text", pa.string()), ("sentences", pa.list_(SENTENCE))])

#: `ordinal` is the annotation's place in its document (`documents.mentions_in`); places of annotations that aren't
#: mentions to link, or that were set aside, are left out. `passage` and `sentence` are indices (sentence: within the
#: passage; -1 where sentences weren't asked for).
#: `detector` and `detection_score` are null where no detector of ours found the mention.
#: `gold` is null where the mention isn't annotated with a concept, empty for NIL, longer than one for a composite.
MENTION = pa.struct(
    [
        ("mention_id", pa.string()),
        ("ordinal", pa.int32()),
        ("passage", pa.int32()),
        ("sentence", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("text", pa.string()),
        ("surface", pa.string()),
        ("type", pa.string()),
        ("detector", pa.string()),
        ("detection_score", pa.float32()),
        ("gold", pa.list_(pa.string())),
    ]
)

#: `file` is the input file, or an archive's member, that the document is from, `version` the document's own (PubMed's;
#: null where there is none). `source` is the document's own serialisation (XML or JSON, UTF-8), empty where the file
#: only says that the document was `deleted`; `repairs` counts repaired offsets; `set_aside` says of each annotation
#: that can't be used why; `error` why the document can't be linked at all, null for a good one.
DOCUMENT = pa.struct(
    [
        ("doc_id", pa.string()),
        ("file", pa.string()),
        ("version", pa.int32()),
        ("deleted", pa.bool_()),
        ("passages", pa.list_(PASSAGE)),
        ("mentions", pa.list_(MENTION)),
        ("source", pa.binary()),
        ("repairs", pa.int32()),
        ("set_aside", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)

#: A place in a source: its file, and how many of that file's documents come before.
POSITION = pa.struct([("file", pa.int32()), ("document", pa.int64())])

#: A row of a Ray Dataset: consecutive documents of one source. `source` is its name, `path` its file or archive.
#: `chunk` counts within the shard, whose first chunk has its `header`, its last one (`last`) its `footer`; `next` is
#: where the next chunk begins, null where the source ends. `error` says why the source couldn't be read any further,
#: `unreadable` why files of a bundle couldn't, and `unnamed` how many more of them there are; `passed_over` counts
#: members of an archive that aren't documents by their name. `done` is true for a chunk without documents, since it was
#: linked before. `read_bytes` says how many of the source's stored bytes were read when the chunk was full (null where
#: it was linked before), `skipped_bytes` how many of them were read to pass over what was linked before;
#: `read_seconds` is how long its reading took, null where nobody measured it.
CHUNK = pa.schema(
    [
        ("path", pa.string()),
        ("source", pa.string()),
        ("shard", pa.string()),
        ("chunk", pa.int32()),
        ("last", pa.bool_()),
        ("next", POSITION),
        ("unreadable", pa.list_(pa.string())),
        ("unnamed", pa.int32()),
        ("passed_over", pa.int32()),
        ("done", pa.bool_()),
        ("read_bytes", pa.int64()),
        ("skipped_bytes", pa.int64()),
        ("read_seconds", pa.float64()),
        ("header", pa.binary()),
        ("footer", pa.binary()),
        ("error", pa.string()),
        ("docs", pa.list_(DOCUMENT)),
    ]
)

#: `concept` is a row of the ontology, `alias` a row of the generator's alias table (-1: none); rank 0 is the best.
#: `first_score` is the generator's own score, `score` what a link gets: the probability where one is known.
CANDIDATE = pa.struct(
    [
        ("concept", pa.int32()),
        ("rank", pa.int16()),
        ("score", pa.float32()),
        ("first_score", pa.float32()),
        ("alias", pa.int32()),
        ("generator", pa.string()),
    ]
)

#: The column that the candidates stage adds to a chunk: a list for each of its mentions, in document order.
CANDIDATES = pa.list_(pa.list_(CANDIDATE))

#: One of a mention's concepts as linking leaves them, after re-ranking where that is asked for: `rank` is its place
#: (0 is the best), `first_rank` its place among the generator's candidates, `first_score` the generator's own score.
RANKING = pa.struct(
    [
        ("concept_id", pa.string()),
        ("name", pa.string()),
        ("score", pa.float32()),
        ("first_score", pa.float32()),
        ("first_rank", pa.int16()),
        ("rank", pa.int16()),
    ]
)

#: A part of a composite mention: its words as they are looked up, its place where the text has it in one piece (else
#: null), and its own best concept (null where it isn't linked).
PART = pa.struct(
    [
        ("surface", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("link_id", pa.string()),
        ("link_name", pa.string()),
        ("link_score", pa.float32()),
    ]
)

#: The mentions table that a run writes, a row for each mention: `document` is the document's position in its shard (ids
#: may repeat). `ontology` is what the mention was to be linked to, null for a type that has no route: its file's name,
#: and as many folders before it as tell it apart from the run's other ontologies, at least one where the file is called
#: `ontology` (`data/ontology.arrow`).
#: `link_id`, `link_name` and `link_score` are the best of the ranking, `first_score` the generator's own score of it,
#: `alias` the name of that concept which matched, `alias_source` where the name is from (`linking.matched_names`); null
#: where nothing was linked. `sure` says whether a re-ranker's rule settled the mention without the model; null where
#: there was no such rule. A composite has the links of its `parts` (null for other mentions):
#: `link_id` and `link_name` are theirs, joined by `|` as corpora write composites, `link_score` is the lowest of them,
#: and the ranking has every part's best concept first, then every part's second one, and so on.
MENTIONS = pa.schema(
    [
        ("shard", pa.string()),
        ("document", pa.int32()),
        ("doc_id", pa.string()),
        *((field.name, field.type) for field in MENTION),
        ("ontology", pa.string()),
        ("link_id", pa.string()),
        ("link_name", pa.string()),
        ("link_score", pa.float32()),
        ("first_score", pa.float32()),
        ("alias", pa.string()),
        ("alias_source", pa.string()),
        ("sure", pa.bool_()),
        ("parts", pa.list_(PART)),
        ("ranking", pa.list_(RANKING)),
    ]
)

#: The documents table that a run writes, a row for each document: `document` is its place in the shard, `file` the
#: input file or archive's member that it is from, `version` its own (PubMed's). A row with `deleted` says that the file
#: withdraws the document, which has no place in the shard. `mentions` and `linked` are numbers of mentions, `set_aside`
#: that of annotations that can't be used.
DOCUMENTS = pa.schema(
    [
        ("shard", pa.string()),
        ("document", pa.int32()),
        ("doc_id", pa.string()),
        ("file", pa.string()),
        ("version", pa.int32()),
        ("deleted", pa.bool_()),
        ("mentions", pa.int32()),
        ("linked", pa.int32()),
        ("repairs", pa.int32()),
        ("set_aside", pa.int32()),
        ("error", pa.string()),
    ]
)

#: The counts that a run writes, a row for each shard; `deleted` counts withdrawn documents, which aren't among
#: `documents`, `unreadable` files of a bundle that couldn't be read to their end, `passed_over` members of an archive
#: that aren't documents. Where a re-ranker's rule says which mentions are sure, `sure` and `unsure` count mentions,
#: `pairs` their candidates, and `pairs_saved` those that no model scored; else these are 0.
SHARD_COUNTS = pa.schema(
    [
        ("shard", pa.string()),
        ("documents", pa.int64()),
        ("mentions", pa.int64()),
        ("linked", pa.int64()),
        ("without_candidates", pa.int64()),
        *((name, pa.int64()) for name in ("sure", "unsure", "pairs", "pairs_saved")),
        ("repairs", pa.int64()),
        ("set_aside", pa.int64()),
        ("quarantined", pa.int64()),
        ("deleted", pa.int64()),
        ("unreadable", pa.int64()),
        ("passed_over", pa.int64()),
    ]
)


def conform(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    """Return `table` with exactly `schema`'s columns, in its order; further columns are left out.

    Args:
        table: Any Arrow table; an empty one is fine.
        schema: One of this module's schemas.
        what: Names the table in errors ("ontology medic.parquet").

    Raises:
        MismatchError: A column is missing or can't be cast to the schema's type.
    """
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise MismatchError(f"{what} lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names)}")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise MismatchError(f"{what} has a column of another type: {error}") from error
