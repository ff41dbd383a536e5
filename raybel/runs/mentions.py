"""The mentions tables of runs, as other jobs read them: without parsing a document."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.config import MentionOptions
from raybel.corpus.typography import FOLDING
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.runs.run_directory import RunDirectory


def mentions_tables(run: RunDirectory, mentions: MentionOptions) -> dict[str, str]:
    """Return the path of the mentions table of each of a run's shards, by the shard's name.

    Args:
        run: The run.
        mentions: How mentions are to be read: the run's surfaces must be those that they would have.

    Raises:
        ConfigError: The run's surfaces were made in another way.
        InputError: It isn't a run.
    """
    identity = run.manifest().get("identity", {})
    for name, wanted in (("folding", FOLDING), ("expand_abbreviations", mentions.expand_abbreviations)):
        if identity.get(name) != wanted:
            raise ConfigError(
                f"{run.uri}: the run's surfaces were made with {name} {identity.get(name)}, and {wanted} is wanted: "
                f"give {run.uri}/shards to make them again"
            )
    return {name: run.mentions_file(name) for name in run.shard_names()}


def read_mentions_table(path: str, columns: Sequence[str], mention_types: Sequence[str]) -> pa.Table:
    """Return some columns of a run's mentions table; with types, of the mentions that have one of these.

    Args:
        path: Of the table.
        columns: Of `schemas.MENTIONS`.
        mention_types: None for all.
    """
    read = list(dict.fromkeys([*columns, "type"]))
    table = pq.read_table(io.BytesIO(storage.read_bytes(path)), columns=read)
    if mention_types:
        table = table.filter(pc.is_in(table["type"], value_set=pa.array(mention_types, pa.string())))
    return table.select(list(columns))
