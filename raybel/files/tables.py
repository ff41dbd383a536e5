"""Tables that people open elsewhere: CSV, Parquet or JSON, as a file's suffix says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raybel.files import storage

SUFFIXES = (".csv", ".parquet", ".json")


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file (zstd), the same bytes for the same table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=True)
    return sink.getvalue()


def write_rows(uri: str, rows: pa.Table) -> None:
    """Write a table: `.parquet` as it is, `.json` as a list of objects, `.csv` with nested values as JSON.

    Args:
        uri: Where to; its suffix is one of `SUFFIXES`.
        rows: Any table whose column names are distinct.

    Raises:
        ConfigError: The file can't be written.
    """
    name = storage.name_of(uri)
    if name.endswith(".parquet"):
        storage.publish(uri, parquet_bytes(rows))
    elif name.endswith(".json"):
        storage.publish_json(uri, rows.to_pylist())
    else:
        storage.publish(uri, _csv(rows))


def write_values(uri: str, values: Mapping[str, Any]) -> None:
    """Write nested numbers and texts: `.json` as they are, else a row for each, with the columns below.

    `name` is the path to a value (`scores.val.Acc@1`, `epochs.0.loss`), `value` a number or null, `text` what isn't a
    number.

    Raises:
        ConfigError: The file can't be written.
    """
    if storage.name_of(uri).endswith(".json"):
        storage.publish_json(uri, values)
        return
    leaves = list(_leaves("", values))
    numbers = [float(leaf) if isinstance(leaf, int | float) else None for _, leaf in leaves]
    texts = [None if leaf is None or isinstance(leaf, int | float) else str(leaf) for _, leaf in leaves]
    names = pa.array([name for name, _ in leaves], pa.string())
    columns = {"name": names, "value": pa.array(numbers, pa.float64()), "text": pa.array(texts, pa.string())}
    write_rows(uri, pa.table(columns))


def _csv(rows: pa.Table) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(rows.column_names)
    for row in rows.to_pylist():
        writer.writerow([json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in row.values()])
    return sink.getvalue().encode()


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else None
    )
    if items is None:
        yield path, value
        return
    for key, inner in items:
        yield from _leaves(f"{path}.{key}" if path else str(key), inner)
