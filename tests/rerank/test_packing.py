import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import ConfigError
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.packing import pack, units
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters
from raybel.rerank.tokens import TokenisedExample

WORDS = st.lists(st.integers(5, 60), min_size=0, max_size=12)


@st.composite
def tokenised(draw):
    """Mentions of a few contexts, some without candidates, within the limits that `Tokens` keeps."""
    contexts = draw(st.lists(st.lists(st.integers(5, 60), max_size=25), min_size=1, max_size=3))
    made = []
    for number, context in enumerate(contexts):
        for _ in range(draw(st.integers(0, 4))):
            names = draw(st.lists(WORDS, max_size=9))
            scores = np.linspace(1, 0, len(names), dtype=np.float32)
            made.append(
                TokenisedExample(context, (number,), draw(st.lists(st.integers(5, 60), max_size=7)), names, scores)
            )
    return made


@pytest.mark.parametrize(
    ("crosstype", "last"),
    [(one, last) for one in CROSSTYPES for last in (False, True) if (one, last) != ("tree", True)],
)
@given(examples=tokenised())
def test_every_pair_is_in_one_slot_and_no_sequence_too_long(kit, crosstype, last, examples):
    tokens = copy.copy(kit.tokens)
    tokens.parameters = replace(tokens.parameters, context_last=last)
    sequences = list(pack(crosstype, tokens, examples))
    owners = [owner for each in sequences for owner in each.owners]
    assert sorted(owners) == [(row, c) for row, each in enumerate(examples) for c in range(len(each.candidates))]
    for each in sequences:
        assert len(each) <= tokens.length
        assert len(each.ids) == len(each.positions) == len(each.mention_of) == len(each.candidate_of)
        assert max(each.positions) < tokens.length
        assert [place for place, one in enumerate(each.ids) if one == tokens.mask] == each.slots
        for place, (row, candidate) in zip(each.slots, each.owners, strict=True):
            block = tokens.blocks(examples[row])[candidate]
            assert each.ids[place : place + len(block)] == block
        assert len({examples[row].group for row, _ in each.owners}) == 1
        context = examples[each.owners[0][0]].context
        place = len(each) - 1 - len(context) if last else 1
        assert each.ids[place : place + len(context) + 1] == [*context, tokens.sep]


@pytest.mark.parametrize(
    ("crosstype", "context", "given", "last"),
    [
        *(("multi", "sentence", None, False), ("multi", "passage", None, True), ("passage", "sentence", None, True)),
        *(("document", "sentence", None, True), ("document", "sentence", False, False)),
        *(("base", "sentence", True, True), ("tree", "document", None, False)),
    ],
)
def test_where_the_context_stands(crosstype, context, given, last):
    parameters = CrossEncoderParameters(context=context, context_last=given).of_type(crosstype)
    assert parameters.ends_with_context(crosstype) == last
    published = replace(CrossEncoderParameters.published(), context=context).of_type(crosstype)
    assert not published.ends_with_context(crosstype)


@pytest.mark.parametrize("value", ["false", 0, 1.5])
def test_an_option_is_true_or_false(value):
    with pytest.raises(ConfigError, match="context_last must be true or false"):
        CrossEncoderParameters().changed({"context_last": value})
    with pytest.raises(ConfigError, match="a tree's context comes first"):
        CrossEncoderParameters(context_last=True).of_type("tree")


@given(examples=tokenised(), seed=st.integers(0, 9))
def test_candidates_stand_in_the_given_order(kit, examples, seed):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(each.candidates)).tolist() for each in examples]
    for crosstype in ("parallel", "multi"):
        seen = [[] for _ in examples]
        for each in pack(crosstype, kit.tokens, examples, orders):
            for row, candidate in each.owners:
                seen[row].append(candidate)
        assert seen == orders


@pytest.mark.parametrize("crosstype", CROSSTYPES)
@given(examples=tokenised())
def test_a_mention_is_in_one_unit(kit, crosstype, examples):
    made = units(list(pack(crosstype, kit.tokens, examples)))
    of = [{row for each in unit for row, _ in each.owners} for unit in made]
    assert sum(map(len, of)) == len(set().union(*of)) if of else not any(e.candidates for e in examples)


def test_the_types_differ_in_what_shares_a_sequence(kit):
    names = [[7, 8], [9]]
    scores = np.ones(2, np.float32)
    examples = [
        TokenisedExample([10, 11], (0,), [5], names, scores),
        TokenisedExample([10, 11], (0,), [6], names, scores),
    ]
    counts = {crosstype: len(list(pack(crosstype, kit.tokens, examples))) for crosstype in CROSSTYPES}
    assert (counts["base"], counts["parallel"], counts["multi"], counts["tree"]) == (4, 2, 1, 1)
    for crosstype, layout in LAYOUTS.items():
        assert counts[crosstype] == 1 + (not layout.mentions_share) + 2 * (not layout.candidates_share)


def test_positions_in_a_tree_go_on_from_the_parent(kit):
    examples = [
        TokenisedExample([10, 11], (0,), [5, 5, 5], [[7, 8], [9]], np.ones(2, np.float32)),
        TokenisedExample([10, 11], (0,), [6], [[7]], np.ones(1, np.float32)),
    ]
    (each,) = pack("tree", kit.tokens, examples)
    size = each.context
    assert each.positions[:size] == list(range(size))
    for a, b in pairwise(range(size, len(each))):
        block = (each.mention_of[a], each.candidate_of[a])
        if (each.mention_of[b], each.candidate_of[b]) == block:
            assert each.positions[b] == each.positions[a] + 1
        elif each.candidate_of[b] >= 0:
            mention = examples[each.mention_of[b]].mention
            assert each.positions[b] == size + len(mention)
        else:
            assert each.positions[b] == size


def test_a_thousand_candidates(kit):
    names = [[7] * (number % 10) for number in range(1000)]
    example = TokenisedExample([10] * 20, (0,), [5, 6], names, np.ones(1000, np.float32))
    for crosstype in CROSSTYPES:
        sequences = list(pack(crosstype, kit.tokens, [example]))
        assert sum(len(each.owners) for each in sequences) == 1000
        assert len(units(sequences)) == 1
