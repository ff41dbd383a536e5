from collections import Counter
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.reservoir import DRAWN, draw, mention_keys, smallest

ROW = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "T"]), st.sampled_from("xyz"), st.integers(0, 3))


def table(rows, seed=0, first=0):
    surfaces, types, doc_ids, starts = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "key": pa.array(mention_keys(surfaces, types, doc_ids, starts, seed)),
            "surface": pa.array(surfaces, pa.string()),
            "type": pa.array(types, pa.string()),
            "mentions": pa.array([1] * len(rows), pa.int64()),
            "source": pa.array([0] * len(rows), pa.int32()),
            "document": pa.array(range(first, first + len(rows)), pa.int64()),
            "ordinal": pa.array([0] * len(rows), pa.int32()),
            "doc_id": pa.array(doc_ids, pa.string()),
            "start": pa.array(starts, pa.int32()),
            "end": pa.array(starts, pa.int32()),
            "link_id": pa.nulls(len(rows), pa.string()),
            "link_score": pa.nulls(len(rows), pa.float32()),
        },
        schema=DRAWN,
    )


@given(st.lists(ROW, max_size=30), st.integers(1, 4), st.randoms(), st.lists(st.integers(0, 30), max_size=3))
def test_parts_in_any_order_give_the_reservoir_of_the_whole(rows, per_surface, random, cuts):
    whole = table(rows)
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    pieces = [whole.slice(start, end - start) for start, end in pairwise(bounds)]
    random.shuffle(pieces)
    merged = smallest(
        pa.concat_tables([DRAWN.empty_table(), *(smallest(each, per_surface) for each in pieces)]), per_surface
    )
    assert merged == smallest(whole, per_surface) == draw(pieces, per_surface)


@given(st.lists(ROW, max_size=30), st.integers(1, 4))
def test_the_smallest_keys_of_each_surface_and_type_with_its_count(rows, per_surface):
    kept = smallest(table(rows), per_surface).to_pylist()
    counts = Counter((surface, kind) for surface, kind, _, _ in rows)
    for pair, count in counts.items():
        of_pair = [row for row in kept if (row["surface"], row["type"]) == pair]
        keys = sorted(row["key"] for row in table(rows).to_pylist() if (row["surface"], row["type"]) == pair)
        assert [row["key"] for row in of_pair] == keys[:per_surface]
        assert [row["mentions"] for row in of_pair] == [count] + [0] * (len(of_pair) - 1)
    assert sum(min(count, per_surface) for count in counts.values()) == len(kept)


def test_keys_depend_on_all_that_tells_a_mention_apart():
    base = ("a", "T", "doc", 5)
    others = [
        ("b", "T", "doc", 5),
        ("a", "", "doc", 5),
        ("a", "T", "doc2", 5),
        ("a", "T", "doc", 6),
        ("aT", "", "doc", 5),
    ]
    keys = {int(mention_keys(*([value] for value in each), seed=0)[0]) for each in [base, *others]}
    keys.add(int(mention_keys(*([value] for value in base), seed=1)[0]))
    assert len(keys) == len(others) + 2


def test_every_mention_is_about_equally_likely():
    rows = [("a", "", str(number), 0) for number in range(10)]
    drawn = Counter(smallest(table(rows, seed), 1)["doc_id"][0].as_py() for seed in range(1000))
    assert len(drawn) == 10
    assert all(60 < count < 140 for count in drawn.values())  # 100 +- 4 standard deviations
