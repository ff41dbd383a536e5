from raybel.runs.parts import COUNTS, counts_table, repeated_ids
from raybel.schemas import SHARD_COUNTS


def test_counts_are_in_order_of_names():
    rows = [{"name": name, **dict.fromkeys(COUNTS, 1)} for name in ("b", "a")]
    table = counts_table(rows)
    assert table.schema.equals(SHARD_COUNTS)
    assert table["shard"].to_pylist() == ["a", "b"]
    assert counts_table([]).num_rows == 0


def test_repeated_ids_across_shards():
    ids = {"a": ["1", "2"], "b": ["3", "1", "1"], "c": []}
    assert repeated_ids(list(ids), ids.__getitem__) == (3, ["1"])
    assert repeated_ids(["a", "c"], ids.__getitem__) == (0, [])
    assert repeated_ids([], ids.__getitem__) == (0, [])
