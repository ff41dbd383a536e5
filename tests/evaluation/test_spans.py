"""Scores of spans: each rule by hand, properties, and a naive reference."""

import csv
import json

import bioc as model
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from raybel.cli.evaluate import evaluate as command
from raybel.config import MentionOptions
from raybel.corpus.reading import write_corpus
from raybel.corpus.type_names import parse_type_names
from raybel.errors import ConfigError, MismatchError
from raybel.evaluation import spans as module
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import evaluate
from raybel.evaluation.evaluate_spans import evaluate_spans
from raybel.evaluation.policy import ConceptNumbers
from raybel.evaluation.span_corpora import Side
from raybel.evaluation.span_marks import link_marks
from raybel.evaluation.spans import Spans, in_any, overlapping_pairs, partners, scores, tally
from raybel.ontology import Concept, Ontology

TEXT = "Cystic fibrosis and gout with flu or breast and ovarian cancer, a cold."
FULL = ("strict", "overlapping", "linked strict", "linked overlapping", "document")


# --- the pure functions


def spans(*rows):
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return Spans(*columns)


def counted(gold, predicted, documents):
    """The tallies (documents, strict and overlapping, 4)."""
    pairs = overlapping_pairs(gold, predicted)
    parts = []
    for chosen in (pairs.same_type & pairs.exact, pairs.same_type):
        found, right = in_any(pairs.gold, chosen, len(gold)), in_any(pairs.predicted, chosen, len(predicted))
        parts.append(tally(documents, gold.documents, found, predicted.documents, right))
    return np.stack(parts, axis=1)


#: Distinct (document, start, end, type) of up to 5 documents, close enough together to overlap often.
SPANS = st.sets(
    st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(1, 6), st.integers(0, 1)).map(
        lambda row: (row[0], row[1], row[1] + row[2], row[3])
    ),
    max_size=25,
).map(sorted)


def naive(gold, predicted):
    """Precision, recall and F1, strict and overlapping, by comparing all with all."""

    def strict(a, b):
        return a == b

    def overlapping(a, b):
        return a[0] == b[0] and a[3] == b[3] and bool(set(range(*a[1:3])) & set(range(*b[1:3])))

    for match in (strict, overlapping):
        right = sum(any(match(g, p) for g in gold) for p in predicted)
        found = sum(any(match(g, p) for p in predicted) for g in gold)
        precision = right / len(predicted) if predicted else None
        recall = found / len(gold) if gold else None
        if precision is None and recall is None:
            yield None, None, None
        else:
            both = (precision or 0) + (recall or 0)
            yield precision, recall, 2 * (precision or 0) * (recall or 0) / both if both else 0.0


@given(SPANS, SPANS)
def test_as_a_naive_reference_scores(gold, predicted):
    measured = scores(counted(spans(*gold), spans(*predicted), 5).sum(axis=0))
    expected = np.array(list(naive(gold, predicted)), dtype=np.float64)
    np.testing.assert_allclose(measured, expected)


@given(SPANS, SPANS)
def test_pairs_are_all_spans_that_share_a_character(gold, predicted):
    pairs = overlapping_pairs(spans(*gold), spans(*predicted))
    expected = []
    for a, (document, start, end, kind) in enumerate(gold):
        for b, (other, begin, stop, other_kind) in enumerate(predicted):
            shared = min(end, stop) - max(start, begin)
            if document == other and shared > 0:
                expected.append((a, b, kind == other_kind, (start, end) == (begin, stop), shared))
    columns = (pairs.gold, pairs.predicted, pairs.same_type, pairs.exact, pairs.shared)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@given(SPANS.filter(bool))
def test_a_perfect_prediction_scores_1(gold):
    tallies = counted(spans(*gold), spans(*gold), 5)
    assert (scores(tallies.sum(axis=0)) == 1).all()
    intervals = module.bootstrap(tallies, 50)
    assert intervals is None or (intervals == 1).all()


@given(SPANS, SPANS)
def test_gold_and_prediction_exchanged(gold, predicted):
    one = scores(counted(spans(*gold), spans(*predicted), 5).sum(axis=0))
    other = scores(counted(spans(*predicted), spans(*gold), 5).sum(axis=0))
    np.testing.assert_allclose(one[:, [1, 0, 2]], other)


@given(SPANS, SPANS)
def test_strict_is_never_above_overlapping(gold, predicted):
    strict, overlapping = scores(counted(spans(*gold), spans(*predicted), 5).sum(axis=0))
    assert not (strict > overlapping + 1e-12).any()


@given(SPANS, SPANS, st.permutations(range(5)))
def test_the_order_of_documents_changes_nothing(gold, predicted, order):
    moved = [[(order[row[0]], *row[1:]) for row in side] for side in (gold, predicted)]
    here, there = counted(spans(*gold), spans(*predicted), 5), counted(*(spans(*side) for side in moved), 5)
    np.testing.assert_array_equal(here, there[order])


def test_offsets_at_their_bounds_stay_in_their_document():
    far = 2**31 - 1
    gold = spans((0, far - 1, far, 0), (1, -far, -far + 1, 0), (2, 0, far, 0))
    assert overlapping_pairs(gold, gold).gold.tolist() == [0, 1, 2]


def test_a_partner_is_of_the_same_type_then_exact_then_largest_then_first():
    gold = spans((0, 10, 20, 0), (0, 30, 40, 0), (0, 50, 60, 0), (0, 70, 80, 0))
    predicted = spans(
        (0, 10, 20, 1),
        (0, 12, 14, 0),  # smaller, but of the same type
        (0, 25, 45, 0),
        (0, 30, 40, 0),
        (0, 50, 53, 0),
        (0, 55, 60, 0),  # shares more
    )
    pairs = overlapping_pairs(gold, predicted)
    assert partners(pairs, pairs.gold, pairs.predicted, len(gold)).tolist() == [1, 3, 5, -1]
    assert partners(pairs, pairs.predicted, pairs.gold, len(predicted)).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 0, 0, 0], [None, None, None]),
        ([2, 0, 0, 0], [0, None, 0]),
        ([0, 0, 2, 0], [None, 0, 0]),
        ([2, 0, 2, 0], [0, 0, 0]),
        ([4, 2, 3, 3], [0.5, 1, 2 / 3]),
    ],
)
def test_scores_that_are_not_defined(counts, expected):
    np.testing.assert_allclose(scores(np.array(counts, np.float64)), np.array(expected, np.float64))


def test_intervals_are_those_of_documents_drawn_anew():
    tallies = np.array([[[4, 2, 2, 2]], [[1, 1, 6, 1]], [[3, 0, 3, 0]], [[0, 0, 0, 0]]], np.float64)
    intervals = module.bootstrap(tallies, 400, seed=3)
    rng = np.random.default_rng(3)
    drawn = []
    for weights in rng.multinomial(3, np.full(3, 1 / 3), size=400):
        rows = np.repeat(np.arange(3), weights)
        predicted, right, gold, found = tallies[rows, 0].sum(axis=0)
        precision, recall = right / predicted, found / gold
        both = precision + recall
        drawn.append((precision, recall, 2 * precision * recall / both if both else 0.0))
    expected = np.percentile(np.array(drawn), [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(intervals[0], expected)
    assert module.bootstrap(tallies[:1], 400) is None
    assert module.bootstrap(tallies, 0) is None


def test_blocks_of_resamples_change_nothing(monkeypatch):
    tallies = np.random.default_rng(0).integers(0, 5, (30, 5, 4)).astype(np.float64)
    whole = module.bootstrap(tallies, 200)
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", 90)
    np.testing.assert_array_equal(module.bootstrap(tallies, 200), whole)


def test_a_score_that_few_resamples_have():
    tallies = np.array([[[1, 1, 0, 0]], [[0, 0, 5, 0]]], np.float64)
    precision, recall, f1 = module.bootstrap(tallies, 100)[0]
    assert precision.tolist() == [1, 1]  # of the resamples with a prediction
    assert recall.tolist() == [0, 0]
    assert f1.tolist() == [0, 0]


GOLD_IDS = st.sampled_from([None, [], ["A"], ["B"], ["A", "B"]])
RANKINGS = st.sampled_from([[], ["A"], ["B"], ["A", "B"], ["B", "A"]])


def side(name, rows, concepts):
    made = Side(name, doc_ids=[""] * len(rows), mention_ids=[""] * len(rows), texts=[""] * len(rows))
    for row, ids in zip(rows, concepts, strict=True):
        for column, value in zip((made.documents, made.starts, made.ends, made.types), row, strict=True):
            column.append(value)
        made.concepts.append(ids)
    return made


def right_link(gold, ranking):
    return set(ranking[: len(gold)]) == set(gold) if gold else not ranking


@given(SPANS, SPANS, st.data(), st.sampled_from(["linkable", "all"]))
def test_links_as_a_naive_reference_marks_them(gold, predicted, data, policy):
    golds = data.draw(st.lists(GOLD_IDS, min_size=len(gold), max_size=len(gold)))
    rankings = data.draw(st.lists(RANKINGS, min_size=len(predicted), max_size=len(predicted)))
    counts = [ids is not None and (policy == "all" or len(ids) == 1) for ids in golds]
    marked = link_marks(
        side("gold", gold, golds),
        side("predicted", predicted, rankings),
        overlapping_pairs(spans(*gold), spans(*predicted)),
        ConceptNumbers(None, ["A", "B"]),
        np.array(counts, dtype=bool),
        EvaluateConfig("g", "p", spans=True, policy=policy),
    )
    for exact, name in ((True, "linked strict"), (False, "linked overlapping")):

        def on_it(g, p, exact=exact):
            if g[0] != p[0] or g[3] != p[3]:
                return False
            return g == p if exact else g[1] < p[2] and p[1] < g[2]

        found = [
            any(on_it(g, p) and right_link(ids, ranking) for p, ranking in zip(predicted, rankings, strict=True))
            if on
            else None
            for g, ids, on in zip(gold, golds, counts, strict=True)
        ]
        right = []
        for p, ranking in zip(predicted, rankings, strict=True):
            touched = [on for g, on in zip(gold, counts, strict=True) if on_it(g, p, exact=False)]
            left_out = (touched and not any(touched)) or (policy == "linkable" and not ranking)
            hit = any(
                on and on_it(g, p) and right_link(ids, ranking) for g, ids, on in zip(gold, golds, counts, strict=True)
            )
            right.append(None if left_out else hit)
        assert marked[name] == (found, right)


# --- corpora


def mention(start, end, kind="Disease", text=None, **infons):
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = f"{start}", TEXT[start:end] if text is None else text
    annotation.infons = {**({"type": kind} if kind else {}), **infons}
    annotation.locations = [model.BioCLocation(start, end - start)]
    return annotation


def on(words, kind="Disease", **infons):
    start = TEXT.index(words)
    return mention(start, start + len(words), kind, **infons)


def document(doc_id, *mentions):
    made, passage = model.BioCDocument(), model.BioCPassage()
    made.id, made.passages = doc_id, [passage]
    passage.offset, passage.text, passage.annotations = 0, TEXT, list(mentions)
    return made


@pytest.fixture
def write(tmp_path):
    def write(name, *documents):
        write_corpus(str(tmp_path / name), documents, "test")
        return str(tmp_path / name)

    return write


@pytest.fixture
def ontology(tmp_path):
    path = str(tmp_path / "ontology.arrow")
    concepts = [Concept("C1", "cystic fibrosis", alt_ids=["OLD1"]), Concept("C2", "gout"), Concept("C3", "influenza")]
    Ontology.from_concepts([*concepts, Concept("B", "breast cancer"), Concept("O", "ovarian cancer")]).save(path)
    return path


@pytest.fixture
def compare(write):
    """Scores documents of mentions: `{id: mentions}` on both sides, or the mentions of one document."""

    def compare(gold, predicted, ontology=None, **options):
        sides = [side if isinstance(side, dict) else {"1": side} for side in (gold, predicted)]
        paths = [
            write(name, *(document(doc_id, *mentions) for doc_id, mentions in side.items()))
            for name, side in zip(("gold.xml", "pred.xml"), sides, strict=True)
        ]
        options = {"bootstrap": 0, "spans": True, **options}
        return evaluate_spans(EvaluateConfig((paths[0],), (paths[1],), ontology, **options))

    return compare


def of(result, family, group="all"):
    found = {row["metric"]: row["value"] for row in result.groups.to_pylist() if row["group"] == group}
    return tuple(found[f"{family} {measure}"] for measure in ("precision", "recall", "F1"))


def families(result):
    return list(dict.fromkeys(row["metric"].rsplit(" ", 1)[0] for row in result.groups.to_pylist()))


def rows(result, side):
    return [row for row in result.mentions.to_pylist() if row["side"] == side]


def said(result, words):
    return [sentence for sentence in result.sentences if words in sentence]


def test_strict_and_overlapping_spans(compare):
    gold = [on("Cystic fibrosis"), on("gout"), on("flu", "Symptom"), on("a cold")]
    predicted = [on("Cystic fibrosis"), on("gout with"), on("flu"), on("breast")]
    result = compare(gold, predicted)
    assert of(result, "strict") == (1 / 4, 1 / 4, 1 / 4)
    assert of(result, "overlapping") == (2 / 4, 2 / 4, 2 / 4)
    assert of(result, "strict", "Disease") == (1 / 4, 1 / 3, pytest.approx(2 / 7))
    assert of(result, "overlapping", "Symptom") == (None, 0, 0)
    assert [row["outcome"] for row in rows(result, "gold")] == ["exact", "other boundaries", "other type", "none"]
    assert [row["outcome"] for row in rows(result, "predicted")] == ["exact", "other boundaries", "other type", "none"]
    assert [row["partner"] for row in rows(result, "gold")][-2:] == [str(TEXT.index("flu")), None]
    ignoring = compare(gold, predicted, ignore_types=True)
    assert of(ignoring, "strict") == (2 / 4, 2 / 4, 2 / 4)
    assert {row["group"] for row in ignoring.groups.to_pylist()} == {"all"}
    assert [row["type"] for row in rows(ignoring, "gold")][2] == "Symptom"


def test_overlapping_one_span_may_match_several(compare):
    whole = [mention(0, len(TEXT))]
    parts = [on("Cystic fibrosis"), on("gout"), on("flu")]
    assert of(compare(parts, whole), "overlapping") == (1, 1, 1)
    assert of(compare(whole, parts), "overlapping") == (1, 1, 1)
    assert of(compare(parts, whole), "strict") == (0, 0, 0)
    beside = [mention(0, 6), mention(6, 15)]
    assert of(compare(beside[:1], beside[1:]), "overlapping") == (0, 0, 0)  # they touch, and share no character


def test_the_same_span_of_two_types_are_two_mentions(compare):
    result = compare([on("gout"), on("gout", "Symptom")], [on("gout", "Symptom")])
    assert of(result, "strict") == (1, 1 / 2, pytest.approx(2 / 3))
    assert of(compare([on("gout"), on("gout", "Symptom")], [on("gout")], ignore_types=True), "strict") == (1, 1, 1)


def test_repeated_annotations_are_one_mention_with_all_gold_ids_and_one_link(compare, ontology):
    gold = [on("gout", concept_id="B"), on("gout", concept_id="O"), on("flu"), on("flu", concept_id="C3")]
    predicted = [on("gout", link_id="B"), on("gout", link_id="O"), on("flu"), on("flu", link_id="C3")]
    result = compare(gold, predicted, ontology)
    assert of(result, "strict") == (1, 1, 1)
    assert [row["concepts"] for row in rows(result, "gold")] == [["B", "O"], ["C3"]]
    assert [row["category"] for row in rows(result, "gold")] == ["composite", "single"]
    assert [row["concepts"] for row in rows(result, "predicted")] == [["B"], ["C3"]]
    assert len(said(result, "2 with the place and type of another one")) == 2


def test_discontinuous_and_empty_annotations(compare):
    split = on("breast and ovarian cancer", text="breast cancer")
    start = split.locations[0].offset
    split.locations = [model.BioCLocation(start, 6), model.BioCLocation(start + 19, 6)]
    empty = mention(3, 3)
    result = compare([split, empty], [on("breast and ovarian cancer")])
    assert of(result, "strict") == (1, 1, 1)
    (sentence,) = said(result, "Of the gold annotations")
    assert "1 discontinuous (taken from the first to the last character); 1 without a character" in sentence
    assert not said(result, "Of the predicted annotations")


def test_a_prediction_that_cannot_be_located_is_wrong(compare):
    nowhere = on("gout")
    nowhere.locations = []
    beyond, huge = mention(500, 504, text="gout"), mention(2**40, 2**40 + 4, text="gout")
    result = compare([on("gout")], [on("gout"), beyond, nowhere])
    assert of(result, "strict") == (1 / 2, 1, pytest.approx(2 / 3))
    assert said(result, "1 without a character (left out)")
    assert of(compare([on("gout")], [on("gout"), huge]), "strict")[1] == 1


def test_types_renamed_and_chosen(compare):
    gold = [on("gout", "SpecificDisease"), on("flu", "Modifier"), on("a cold", "Gene")]
    predicted = [on("gout"), on("flu"), on("a cold", "Chemical")]
    plain = compare(gold, predicted)
    assert of(plain, "strict") == (0, 0, 0)
    assert (
        plain.apart
        == plain.sentences[0]
        == (
            "Nothing can match, since the types (infon type) differ: gold's mentions are 1 Gene, 1 Modifier, "
            "1 SpecificDisease, the predicted ones 1 Chemical, 2 Disease; --type-names OLD=NEW,... gives both the same "
            "types, --ignore-types scores spans without types."
        )
    )
    some = compare(gold, predicted, type_names="Gene=Chemical")
    assert said(some, "types that gold lacks: 2 Disease; all wrong")
    assert some.apart == ""
    names = ("SpecificDisease=Disease,Modifier=Disease", "Nothing=Disease")
    renamed = compare(gold, predicted, type_names=names)
    assert of(renamed, "strict") == (2 / 3, 2 / 3, pytest.approx(2 / 3))
    chosen = compare(gold, predicted, type_names=names, mentions=MentionOptions(mention_types=("Disease",)))
    assert of(chosen, "strict") == (1, 1, 1)
    assert said(chosen, "Of the gold annotations: left out by --mention-types: 1 Gene.")
    assert said(chosen, "Of the predicted annotations: left out by --mention-types: 1 Chemical.")
    with pytest.raises(ConfigError, match="one of the types Drug; there are Gene, Modifier, SpecificDisease"):
        compare(gold, predicted, mentions=MentionOptions(mention_types=("Drug",)))


def test_a_mapping_is_proposed_where_one_side_has_one_type(write):
    gold = write("g.xml", document("1", on("gout", "SpecificDisease"), on("flu", "Modifier")))
    predicted = write("p.xml", document("1", on("gout")))
    for one, other in ((gold, predicted), (predicted, gold)):
        spans = ["--spans", "--gold-corpus", one, "--pred-corpus", other]
        run = CliRunner().invoke(command, spans, env={"COLUMNS": "80"})
        assert run.exit_code == 0
        assert len(run.output.strip().splitlines()) == 1  # no table of zeros
        assert "Modifier=Disease,SpecificDisease=Disease gives both the same types" in run.output
        mapped = CliRunner().invoke(command, [*spans, "--type-names", "Modifier=Disease,SpecificDisease=Disease"])
        assert "Scores in %" in mapped.output


def test_predictions_without_types(compare):
    result = compare([on("gout")], [on("gout", "")])
    assert of(result, "strict") == (0, 0, 0)
    assert "the predicted ones 1 without a type; --type-names =Disease gives both" in result.apart
    assert of(compare([on("gout")], [on("gout", "")], type_names="=Disease"), "strict") == (1, 1, 1)
    untyped = compare([on("gout", "")], [on("gout", "")])
    assert of(untyped, "strict") == (1, 1, 1)
    assert untyped.apart == compare([on("gout")], []).apart == ""
    assert compare([on("gout")], [on("flu", "Ill")], ignore_types=True).apart == ""
    assert {row["group"] for row in untyped.groups.to_pylist()} == {"all"}


def test_links_under_the_policy_linkable(compare, ontology):
    gold = [
        on("Cystic fibrosis", concept_id="C1"),
        on("gout", concept_id="C2"),
        on("flu", concept_id="C3"),
        on("breast and ovarian cancer", concept_id="B|O"),
        on("a cold", concept_id="D99"),
    ]
    predicted = [
        on("Cystic fibrosis", link_id="OLD1"),  # right, by an alternative id
        on("gout with", all_links="C2=0.9|C1=0.1"),  # right where spans overlap
        on("flu", all_links="C1=0.9|C3=0.8"),  # wrong: the second link
        on("ovarian", link_id="O"),  # on a mention that doesn't count
        on("a cold", link_id="C1"),  # likewise
        on("or", link_id="C1"),  # wrong: nothing there
        on("and"),  # no link
    ]
    result = compare(gold, predicted, ontology)
    assert of(result, "linked strict") == (1 / 4, 1 / 3, pytest.approx(2 / 7))
    assert of(result, "linked overlapping") == (2 / 4, 2 / 3, pytest.approx(4 / 7))
    assert [row["linked_overlapping"] for row in rows(result, "gold")] == [True, True, False, None, None]
    expected = [True, True, False, None, None, False, None]
    assert [row["linked_overlapping"] for row in rows(result, "predicted")] == expected
    assert said(result, "Policy linkable: 3 of 5 gold mentions count: those with one id that the ontology knows.")
    assert said(result, "Neither right nor wrong: 3 predicted mentions")
    assert {row["policy"] for row in result.groups.to_pylist()} == {"all spans", "linkable"}
    (gold_mentions,) = {row["mentions"] for row in result.groups.to_pylist() if row["metric"] == "linked strict F1"} - {
        row["mentions"] for row in result.groups.to_pylist() if row["metric"] == "strict F1"
    }
    assert gold_mentions == 3


def test_a_prediction_on_a_mention_that_counts_and_one_that_does_not_is_wrong(compare, ontology):
    gold = [on("breast and ovarian cancer", concept_id="B|O"), on("ovarian cancer", concept_id="O")]
    result = compare(gold, [on("ovarian cancer", link_id="B")], ontology)
    assert of(result, "linked overlapping") == (0, 0, 0)
    assert of(compare(gold, [on("ovarian cancer", link_id="O")], ontology), "linked strict") == (1, 1, 1)


def test_links_under_the_policy_all(compare, ontology):
    gold = [
        on("Cystic fibrosis", concept_id="-1"),
        on("gout", concept_id="-1"),
        on("breast and ovarian cancer", concept_id="B|O"),
        on("flu", concept_id="B|O"),
        on("a cold", concept_id="D99"),
        on("with"),
    ]
    predicted = [
        on("Cystic fibrosis"),  # nothing linked: right
        on("gout", link_id="C2"),
        on("breast and ovarian cancer", all_links="O=1|B=0.5"),
        on("flu", link_id="B"),  # one of two
        on("a cold", link_id="D99"),
        on("with", link_id="C2"),  # not annotated: left out
        on("and"),  # nothing linked where gold has no mention: wrong
    ]
    result = compare(gold, predicted, ontology, policy="all")
    assert [row["linked_strict"] for row in rows(result, "gold")] == [True, False, True, False, True, None]
    assert [row["linked_strict"] for row in rows(result, "predicted")] == [True, False, True, False, True, None, False]
    assert of(result, "linked strict") == (3 / 6, 3 / 5, pytest.approx(6 / 11))


def test_documents_compare_sets_of_concepts_of_a_type(compare, ontology):
    gold = {
        "1": [on("gout", concept_id="C2"), on("flu", concept_id="C2"), on("a cold", concept_id="B|O")],
        "2": [on("gout", concept_id="OLD1"), on("flu", concept_id="-1"), on("a cold", concept_id="D99")],
    }
    predicted = {
        "1": [on("with", link_id="C2"), on("or", all_links="O=0.9|B=0.1"), on("flu", "Drug", link_id="C2")],
        "2": [on("gout", link_id="C1"), on("flu", link_id="C3")],
    }
    result = compare(gold, predicted, ontology)
    # gold: 1-C2, 1-B, 1-O, 2-C1; predicted: 1-C2, 1-O, 1-C2 of another type, 2-C1, 2-C3
    assert of(result, "document") == (3 / 5, 3 / 4, pytest.approx(2 / 3))
    assert of(result, "document", "Disease") == (3 / 4, 3 / 4, 3 / 4)
    every = compare(gold, predicted, ontology, policy="all")
    assert of(every, "document") == (3 / 5, 3 / 5, 3 / 5)  # D99 counts
    assert of(compare(gold, predicted, ontology, ignore_types=True), "document")[0] == 3 / 4


def test_on_the_gold_spans_the_links_score_as_acc_at_1(write, ontology):
    links = ("C2", "C3", "OLD1", "B")
    words = ("gout", "flu", "a cold", "breast")
    gold = write(
        "g.xml",
        *(document(str(n), *(on(w, concept_id=links[(n + i) % 4]) for i, w in enumerate(words))) for n in range(6)),
    )
    predicted = write(
        "p.xml",
        *(document(str(n), *(on(w, link_id=links[(n * i) % 4]) for i, w in enumerate(words))) for n in range(6)),
    )
    linked = evaluate_spans(EvaluateConfig(gold, predicted, ontology, spans=True))
    acc = next(row for row in evaluate(EvaluateConfig(gold, predicted, ontology)).groups.to_pylist())
    assert 0 < acc["value"] < 1
    for row in linked.groups.to_pylist():
        if row["group"] == "all" and row["metric"].startswith("linked"):
            assert [row[name] for name in ("value", "low", "high")] == [acc[name] for name in ("value", "low", "high")]


def test_without_an_ontology_ids_are_compared_as_written(compare):
    result = compare([on("gout", concept_id="OLD1")], [on("gout", link_id="C1")])
    assert of(result, "linked strict") == (0, 0, 0)
    assert said(result, "No ontology is given")
    assert "linkable without ontology" in {row["policy"] for row in result.groups.to_pylist()}


def test_spans_alone_where_there_is_nothing_to_link(compare, ontology):
    result = compare([on("gout", concept_id="C2")], [on("gout")], ontology)
    assert families(result) == ["strict", "overlapping"]
    assert said(result, "No predicted mention has a link: spans alone are scored.")
    result = compare([on("gout")], [on("gout", link_id="C2")], ontology)
    assert families(result) == ["strict", "overlapping"]
    assert said(result, "No gold mention has a concept (infon concept_id;")
    result = compare([on("gout", concept_id="D99")], [on("gout", link_id="C2")], ontology)
    assert said(result, "0 of 1 gold mention count")
    assert rows(result, "gold")[0]["linked_strict"] is None


def test_nothing_predicted(compare):
    result = compare([on("gout", concept_id="C2")], [])
    assert of(result, "strict") == (None, 0, 0)
    assert said(result, "0 predicted mentions")


def test_documents_without_counterpart(compare):
    gold = {"1": [on("gout")], "2": [on("gout")], "3": []}
    result = compare(gold, {"1": [on("gout")], "9": [on("gout"), on("flu")], "3": [on("flu")]})
    assert of(result, "strict") == (1 / 2, 1 / 2, 1 / 2)
    assert said(result, "Gold documents that aren't among the predicted ones: 1 of 3; all that is in them counts")
    assert said(result, "Ignored: 2 annotations in 1 predicted document that gold lacks.")


def test_a_document_id_that_repeats_is_taken_in_order(write):
    gold = write("g.xml", document("1", on("gout")), document("1", on("flu")))
    predicted = write("p.xml", document("1", on("gout")), document("1", on("flu")))
    assert of(evaluate_spans(EvaluateConfig(gold, predicted, spans=True)), "strict") == (1, 1, 1)


def test_gold_annotations_among_the_predictions_are_told(compare):
    given_ones = [on("gout", concept_id="C2"), on("flu", concept_id="C3", detector="dictionary")]
    result = compare([on("gout", concept_id="C2")], [*given_ones, on("a cold", concept_id="C1", concept_score="1")])
    assert said(result, "1 predicted annotation with gold ids (infon concept_id) and without an infon detector")


def test_the_order_of_documents_changes_no_score(compare, ontology):
    gold = {
        "1": [on("gout", concept_id="C2"), on("flu", concept_id="C3")],
        "2": [on("gout", concept_id="C2")],
        "3": [on("a cold", "Symptom", concept_id="C1")],
    }
    predicted = {
        "1": [on("gout", link_id="C2"), on("flu or", link_id="C1")],
        "2": [on("flu", link_id="C3")],
        "3": [on("a cold", "Symptom", link_id="C1")],
    }
    one = compare(gold, predicted, ontology)
    backwards = compare(dict(reversed(gold.items())), predicted, ontology)
    assert one.groups == backwards.groups
    again = compare(gold, predicted, ontology, bootstrap=100)
    assert again.groups == compare(gold, predicted, ontology, bootstrap=100).groups
    assert all(row["low"] is None or row["low"] <= row["high"] for row in again.groups.to_pylist())


def test_errors_name_what_is_wrong(write, compare):
    gold, other = write("g.xml", document("1", on("gout"))), write("o.xml", document("2", on("gout")))
    with pytest.raises(MismatchError, match=r"g\.xml and .*o\.xml: no document id is in both \(gold: 1, predicted: 1"):
        evaluate_spans(EvaluateConfig(gold, other, spans=True))
    with pytest.raises(ConfigError, match=r"gold\.xml: there is no annotation to score in 1 document"):
        compare([], [on("gout")])
    with pytest.raises(ConfigError, match="set spans=True"):
        evaluate_spans(EvaluateConfig(gold, gold))
    with pytest.raises(ConfigError, match="scored by evaluate_spans"):
        evaluate(EvaluateConfig(gold, gold, spans=True))
    with pytest.raises(ConfigError, match=r"--train-corpus .* doesn't go with --spans"):
        EvaluateConfig(gold, gold, spans=True, train_corpus=gold)
    for wrong in ({"type_names": "A=B"}, {"ignore_types": True}):
        with pytest.raises(ConfigError, match="goes with --spans"):
            EvaluateConfig(gold, gold, **wrong)


def test_names_of_types():
    assert parse_type_names(["A=B", " C = B ", "=D", "E=F=G"]) == {"A": "B", "C": "B", "": "D", "E": "F=G"}
    assert parse_type_names(["A=B", "A=B"]) == {"A": "B"}
    for wrong in ("A", "A=", ""):
        with pytest.raises(ConfigError, match="isn't OLD=NEW"):
            parse_type_names([wrong])
    with pytest.raises(ConfigError, match="A can't become both B and C"):
        parse_type_names(["A=B", "A=C"])


def test_the_command(write, ontology, tmp_path):
    documents = [
        (document(str(n), on("gout", concept_id="C2")), document(str(n), on("gout" if n else "flu", link_id="C2")))
        for n in range(4)
    ]
    gold, predicted = (write(f"{n}.xml", *side) for n, side in enumerate(zip(*documents, strict=True)))
    out = {name: str(tmp_path / name) for name in ("m.csv", "m.parquet", "s.json", "s.csv")}
    flags = [
        part for name, path in out.items() for part in ("--metric-file" if name[0] == "m" else "--summary-file", path)
    ]
    inputs = ["--spans", "--gold-corpus", gold, "--pred-corpus", predicted, "--ontology", ontology]
    run = CliRunner().invoke(command, [*inputs, *flags], env={"COLUMNS": "80"})
    assert run.exit_code == 0, run.output
    lines = [" ".join(line.split()) for line in run.output.splitlines()]
    for line in ("precision recall F1", "all 4 predicted 4 gold", "Disease 4 predicted 4 gold"):
        assert line in lines
    for family in ("strict", "overlapping", "linked strict", "linked overlapping"):
        assert " ".join([family, *["75.0 [25.0–100]"] * 3]) in lines
    assert "document 100.0 [100–100] 100.0 [100–100] 100.0 [100–100]" in lines
    with open(out["m.csv"], encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert len(written) == pq.read_table(out["m.parquet"]).num_rows == 8
    assert (written[0]["side"], written[0]["outcome"], written[1]["outcome"]) == ("gold", "none", "exact")
    with open(out["s.json"], encoding="utf-8") as file:
        summary = json.load(file)
    assert [row["metric"] for row in summary[:15]] == [f"{f} {m}" for f in FULL for m in ("precision", "recall", "F1")]


def test_an_option_that_does_not_go_with_the_others(write):
    gold = write("g.xml", document("1", on("gout")))
    run = CliRunner().invoke(command, ["--gold-corpus", gold, "--pred-corpus", gold, "--type-names", "A=B"])
    assert isinstance(run.exception, ConfigError)
