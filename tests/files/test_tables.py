import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raybel.files import tables

ROWS = pa.table({"name": ["a,b", 'say "c"', None], "count": [1, 2, 3], "ids": [["x"], [], None]})


def test_rows_in_each_format(tmp_path):
    for suffix in tables.SUFFIXES:
        tables.write_rows(str(tmp_path / f"t{suffix}"), ROWS)
    assert pq.read_table(tmp_path / "t.parquet").equals(ROWS)
    assert json.loads((tmp_path / "t.json").read_text()) == ROWS.to_pylist()
    assert (tmp_path / "t.csv").read_text() == 'name,count,ids\n"a,b",1,"[""x""]"\n"say ""c""",2,[]\n,3,\n'


VALUES = {"scores": {"val": {"Acc@1": 0.5, "MRR": None}}, "epochs": [{"loss": 2}, {"loss": 1.5}], "model": "tree"}


def test_nested_values_are_rows_named_by_their_path(tmp_path):
    tables.write_values(str(tmp_path / "m.parquet"), VALUES)
    assert pq.read_table(tmp_path / "m.parquet").to_pylist() == [
        {"name": "scores.val.Acc@1", "value": 0.5, "text": None},
        {"name": "scores.val.MRR", "value": None, "text": None},
        {"name": "epochs.0.loss", "value": 2.0, "text": None},
        {"name": "epochs.1.loss", "value": 1.5, "text": None},
        {"name": "model", "value": None, "text": "tree"},
    ]
    tables.write_values(str(tmp_path / "m.json"), VALUES)
    assert json.loads((tmp_path / "m.json").read_text()) == VALUES


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
def test_no_rows(tmp_path, suffix):
    tables.write_rows(str(tmp_path / f"t{suffix}"), ROWS.slice(0, 0))
    assert (tmp_path / f"t{suffix}").stat().st_size > 0
