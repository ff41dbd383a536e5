"""Tables as Arrow batches of texts: CSV, TSV and Parquet, plain or gzipped, a batch in memory at a time."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from raybel.errors import InputError
from raybel.files import kinds, storage
from raybel.ontology.ids import MOST_EXACT
from raybel.prepare.common import open_input, read_lines
from raybel.prepare.unpack import MAX_BYTES

#: Bytes of a text table, or rows of a Parquet one, that are read at once; a row can't be longer than that.
BLOCK_BYTES, BLOCK_ROWS = 8 << 20, 65_536
#: What may stand between cells: the first one that the header has outside quotation marks.
DELIMITERS = "\t,;|"
_QUOTED = re.compile(r'"[^"]*"')
_QUOTES = "is one not closed? (--no-quoted takes them as they are)"


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Args:
        headers: Of its columns.
        delimiter: Between cells; None for Parquet.
        quoted: Whether cells may stand in double quotes, and hold delimiters and line ends there.
    """

    headers: tuple[str, ...]
    delimiter: str | None = None
    quoted: bool = False


def layout_of(path: str, delimiter: str | None, quoted: bool | None) -> Layout:
    """Return how a table is written.

    Args:
        path: CSV, TSV or Parquet, plain or gzipped; the content decides.
        delimiter: None for the first of `DELIMITERS` that the header has.
        quoted: None for yes, but not with tabs: OMOP's files have bare quotation marks.

    Raises:
        InputError: No such file, something other than a table, or one without a header.
    """
    kinds.expect(path, "a table", kinds.PARQUET, *kinds.TABLES.values())
    if storage.identity(path) is not None and kinds.kind_of(path) == kinds.PARQUET:
        return Layout(tuple(_parquet(path).schema_arrow.names))
    number, line = next(((number, line) for number, line in read_lines(path) if line.strip()), (0, ""))
    if number != 1:
        raise InputError("has no header in its first line", path=path)
    bare = _QUOTED.sub("", line)
    delimiter = delimiter or next((each for each in DELIMITERS if each in bare), ",")
    quoted = delimiter != "\t" if quoted is None else quoted
    try:
        headers = next(csv.reader([line], delimiter=delimiter)) if quoted else line.split(delimiter)
    except csv.Error as error:
        raise InputError(f"its header can't be read: {error}", path=path) from error
    return Layout(tuple(header.strip() for header in headers), delimiter, quoted)


def batches(path: str, layout: Layout, places: list[int]) -> Iterator[list[pa.Array]]:
    """Yield the columns at some places, batch by batch: strings, or lists of them; null where there is nothing.

    Raises:
        InputError: A row has another number of cells, a text isn't UTF-8, a column holds neither texts nor numbers, or
            the file is cut off; a Parquet file has several columns of a name that is read.
    """
    if layout.delimiter is None:
        names = [layout.headers[place] for place in places]
        if repeated := [name for name in dict.fromkeys(names) if layout.headers.count(name) > 1]:
            raise InputError(f"has several columns {', '.join(repeated)}: rename all but one", path=path)
        try:
            for batch in _parquet(path).iter_batches(BLOCK_ROWS, columns=list(dict.fromkeys(names))):
                yield [_texts(batch.column(name), name, path) for name in names]
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"is cut off or damaged: {error}", path=path) from error
        return
    numbers = [str(place) for place in range(len(layout.headers))]  # headers may repeat
    wanted = [numbers[place] for place in places]
    read = arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=numbers, skip_rows=1)
    parse = arrow_csv.ParseOptions(
        delimiter=layout.delimiter,
        quote_char='"' if layout.quoted else False,
        newlines_in_values=layout.quoted,
    )
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(numbers, pa.string()),
        include_columns=list(dict.fromkeys(wanted)),
        strings_can_be_null=False,
    )
    with open_input(path) as file:
        counted = _QuoteCounter(file)
        try:
            for batch in arrow_csv.open_csv(pa.PythonFile(counted, mode="r"), read, parse, convert):
                yield [batch.column(name) for name in wanted]
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):  # a header without rows
                raise _damage(path, layout, error) from error
        if layout.quoted and counted.quotes % 2:  # Arrow takes all that follows for one cell
            raise InputError(f"has an odd number of quotation marks: {_QUOTES}", path=path)


class _QuoteCounter:
    """A file that counts the quotation marks that are read from it.

    Args:
        file: Open for reading.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.quotes, self.closed = file, 0, False

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes."""
        data = self.file.read(size)
        self.quotes += data.count(b'"')
        return data

    def close(self) -> None:
        """Leave the file open: its owner closes it."""
        self.closed = True


def row_place(number: int) -> str:
    """Say where a row is; the first one below the header has the number 1."""
    return f"row {number} below the header"


def _damage(path: str, layout: Layout, error: Exception) -> InputError:
    """The error for rows that can't be read, with what to do."""
    text = str(error)
    if "UTF8" in text:
        for _ in read_lines(path):  # names the line
            continue
    text = text.removeprefix("CSV parse error: ").split(" (try to increase")[0].replace("\n", r"\n")[:160]
    # Arrow counts the header, we don't.
    text = re.sub(r"^Row #(\d+): E", lambda match: f"{row_place(int(match[1]) - 1)}: e", text)
    if layout.quoted:
        return InputError(f"{text}: if cells hold quotation marks, {_QUOTES}", path=path)
    return InputError(f"{text}: are cells in quotes? (--quoted reads them so; --delimiter)", path=path)


def _parquet(path: str) -> pq.ParquetFile:
    """A Parquet file; one in gzip is decompressed on disk first, as Parquet is read from its end.

    Raises:
        InputError: It is damaged, or holds more than `unpack.MAX_BYTES` in gzip.
    """
    local = storage.localise(path)
    with open(local, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    source: Any = _decompressed(path) if zipped else local
    try:
        return pq.ParquetFile(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"isn't a readable Parquet file: {error}", path=path) from error


def _texts(column: pa.Array, name: str, path: str) -> pa.Array:
    """A Parquet column as strings or lists of strings; whole numbers in floating-point columns lose their `.0`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    try:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return column.cast(pa.list_(pa.string()))
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
            if pc.any(pc.greater(pc.abs(column), MOST_EXACT)).as_py():
                raise pa.ArrowInvalid("it holds numbers that a floating-point column can't hold exactly: store texts")
            whole = pc.all(pc.equal(pc.floor(column), column)).as_py() is not False
            return column.cast(pa.int64()).cast(pa.string()) if whole else column.cast(pa.string())
        if pa.types.is_boolean(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind):
            raise pa.ArrowInvalid(f"of the type {kind}")
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"the column {name} isn't texts: {error}", path=path) from error


def _decompressed(path: str) -> IO[bytes]:
    """The content of a gzipped file as a file without a name, which is gone once it is closed."""
    target = tempfile.TemporaryFile()  # noqa: SIM115  # the caller reads it
    with open_input(path) as file:
        while data := file.read(BLOCK_BYTES):
            if target.tell() + len(data) > MAX_BYTES:
                raise InputError(f"holds more than {MAX_BYTES:,} bytes in gzip: gunzip it", path=path)
            target.write(data)
    target.seek(0)
    return target
