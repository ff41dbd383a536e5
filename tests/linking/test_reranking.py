"""The second stage over a chunk: order and scores, and what a failing document costs."""

import gzip
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import (
    FixedGenerator,
    annotation,
    chunks,
    collection,
    document,
    passage,
    save,
    simple_document,
    two_concepts,
)
from tiny_crossencoder import example

from raybel.candidates.aliases import AliasTable
from raybel.candidates.base import CandidateCache
from raybel.candidates.calibration import CandidateCalibration
from raybel.candidates.evidence import Probabilities
from raybel.config import MentionOptions
from raybel.errors import InputError
from raybel.linking.candidates import add_candidates
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.linking.reranking import rerank
from raybel.ontology import Concept, Ontology
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import FEATURES
from raybel.rerank.priors import Prior
from raybel.rerank.ranking import Ranking
from raybel.rerank.reranker import Reranker
from raybel.rerank.training.cascading import annotated_examples, read_annotated
from raybel.rerank.training.crossfit import labelled_examples


class Reversed:
    """Likes the first stage's last candidate best; fails on a mention of a name."""

    parameters, cascade, settles_by_prior = CrossEncoderParameters(), None, False

    def __init__(self, fails=None, error=RuntimeError):
        self.fails, self.error, self.calls = fails, error, 0
        self.ranked = []

    def rank(self, examples, unsure=False):
        self.calls += 1
        self.examples = [*examples]
        self.ranked += [each.mention for each in examples]
        if any(each.mention == self.fails for each in examples):
            raise self.error("this one")
        sizes = [len(each.names) for each in examples]
        return [Ranking(np.arange(size)[::-1], np.linspace(0.9, 0.1, size, dtype=np.float32)) for size in sizes]


def with_mention(name, mention):
    return simple_document(name, f"A {mention} here.", mention)


def link(tmp_path, *documents, reranker=None, crashes=None, first_stage=None):
    (chunk,) = chunks(save(tmp_path / "a.xml", collection(*documents)), sentences=True)
    ontology = two_concepts()
    found = add_candidates(chunk, CandidateCache(FixedGenerator(), 10), "fixed", crashes)
    done = rerank(
        found, reranker or Reversed(), Describer(ontology, None, CrossEncoderParameters()), crashes, first_stage
    )
    target = Target(ontology, "o.arrow")
    return render(done, Rankings.of(done, target)), render(found, Rankings.of(found, target))


def rankings(part):
    return [[(each["concept_id"], each["first_rank"]) for each in row["ranking"]] for row in part.mentions.to_pylist()]


def test_candidates_are_reordered_and_keep_their_first_rank(tmp_path):
    part, before = link(
        tmp_path, with_mention("1", "Anemia"), with_mention("2", "unknown"), document("3"), with_mention("4", "Asthma")
    )
    assert rankings(part) == [each[::-1] for each in rankings(before)]
    assert any(len(each) > 1 for each in rankings(part))
    for row in part.mentions.to_pylist():
        assert [each["rank"] for each in row["ranking"]] == list(range(len(row["ranking"])))
        scores = [each["score"] for each in row["ranking"]]
        assert scores == sorted(scores, reverse=True)


def test_a_document_that_fails_costs_only_itself(tmp_path):
    part, before = link(tmp_path, with_mention("1", "Anemia"), with_mention("2", "Asthma"), reranker=Reversed("Asthma"))
    assert [each["doc_id"] for each in part.quarantine] == ["2"]
    assert "this one" in part.quarantine[0]["traceback"]
    assert rankings(part) == [rankings(before)[0][::-1], []]
    assert part.documents["linked"] == [1, 0]


def test_an_error_of_the_model_is_raised(tmp_path):
    with pytest.raises(InputError):
        link(tmp_path, with_mention("1", "Anemia"), reranker=Reversed("Anemia", InputError))


def test_a_document_that_kills_the_worker_is_skipped(tmp_path):
    crashes = CrashRecord(str(tmp_path / "x"), "s", whole=2, deaths={0: 2})
    reranker = Reversed()
    part, _ = link(
        tmp_path, with_mention("1", "Anemia"), with_mention("2", "Anemia"), reranker=reranker, crashes=crashes
    )
    assert [each["doc_id"] for each in part.quarantine] == ["1"]
    assert reranker.calls == 1
    assert part.documents["linked"] == [0, 1]


class FixedLogits:
    """A scorer that gives these logits."""

    def __init__(self, *logits):
        self.found = [np.array(each, np.float32) for each in logits]

    def tokens(self, examples):
        return [SimpleNamespace(scores=each.candidates["score"]) for each in examples]

    def logits(self, tokenised):
        return self.found


@pytest.mark.parametrize("calibration", [None, Calibration(), Calibration(none=30.0)])
def test_the_order_is_that_of_the_logits_where_probabilities_are_equal(calibration):
    """Rounded, several of these are 1 or 0."""
    names = ["a", "b", "c", "d", "e"]
    scorer = FixedLogits([13, 16, -16, -13, -14], [0, 0, 0, 1e-6, 1])
    reranker = Reranker(scorer, calibration, CrossEncoderParameters())
    first, second, third = reranker.rank([example("x", names), example("x", names), example("x", [])])
    assert first.order.tolist() == [1, 0, 3, 4, 2]
    assert second.order.tolist() == [4, 0, 1, 2, 3]
    assert len(third.order) == len(third.scores) == 0
    for each in (first, second):
        assert (np.diff(each.scores) <= 0).all()
        assert each.scores.dtype == np.float32


def test_nothing_to_rank(tmp_path):
    part, _ = link(tmp_path, document("1"))
    assert part.mentions.num_rows == 0


#: `FixedGenerator` gives all surfaces the same candidates; names of this alias table have the first one's alias.
ALIASES = pa.table({"alias": ["?"] * 4 + ["anemia"], "frequency": pa.array([0] * 4 + [5])})
#: With them only mentions of `anemia` are sure.
FIRST_STAGE = CandidateCalibration(exact=5.0, none=2.0)


def with_cascade(sure_from=0.9, **changed):
    reranker = Reversed(**changed)
    reranker.cascade = Cascade(FIRST_STAGE, sure_from, Calibration(), "fixed")
    return reranker, Probabilities(FIRST_STAGE, ALIASES)


def sure_of(part):
    return part.mentions["sure"].to_pylist()


def test_the_prior_sees_in_linking_what_it_was_fitted_to(tmp_path):
    """Also of a document with mentions that training can't learn from, and where some mentions are sure."""
    text = "Anemia, gout, asthma and lupus, and gout."
    golds = {"Anemia": "D1", "gout": "D1", "asthma": "-1", "lupus": "D1|a|b=c"}
    places = [(text.index(name), len(name)) for name in golds]
    marked = zip(golds.items(), places, strict=True)
    spots = [annotation(name, place, name=name, concept_id=gold) for (name, gold), place in marked]
    again = annotation("gout", (text.rindex("gout"), 4), name="again", concept_id="D1")
    path = save(tmp_path / "a.xml", collection(document("1", passage(text, *spots, again))))
    (chunk,) = chunks(path, sentences=True)
    ontology, generator = two_concepts(), FixedGenerator()
    generator.alias_table = ALIASES.append_column("concept", pa.array([0, 0, 0, 0, 1], pa.int32()))
    describer = Describer(ontology, generator.alias_table, CrossEncoderParameters())
    documents = read_annotated((path,), MentionOptions())
    (learned,) = labelled_examples(documents, generator, ontology, describer, "sentence", 10)
    assert [each.mention for each in learned] == ["Anemia", "gout", "gout"]
    judged = annotated_examples(CrossEncoderParameters(top_k=10), generator, ontology, documents)
    assert [each.mention for each in judged.examples] == ["Anemia", "gout", "asthma", "gout"]
    assert learned[0].known.values[0, FEATURES.index("linked_beside")] == pytest.approx(np.log1p(4))
    for sure in (set(), {"Anemia"}):
        reranker, first_stage = with_cascade() if sure else (Reversed(), None)
        rerank(add_candidates(chunk, CandidateCache(generator, 10), "fixed"), reranker, describer, None, first_stage)
        for fitted in judged.examples:  # the cascade's, of a mention without a concept too
            shown = [each for each in reranker.examples if each.mention == fitted.mention]
            assert all(np.array_equal(fitted.known.values, each.known.values) for each in shown)
        by_mention = [each for each in reranker.examples if each.mention in ("Anemia", "gout")]
        assert [each.mention for each in reranker.examples] == [
            name for name in ("Anemia", "gout", "asthma", "lupus", "gout") if name not in sure
        ]
        for one, other in zip([each for each in learned if each.mention not in sure], by_mention, strict=True):
            assert np.array_equal(one.known.values, other.known.values)
            assert one.known.categories == other.known.categories


def test_sure_mentions_keep_the_first_stage_s_order_and_the_others_do_not(tmp_path):
    reranker, first_stage = with_cascade()
    names = ["Anemia", "gout", "unknown", "Anemia", "lupus"]
    documents = [with_mention(str(number), name) for number, name in enumerate(names)]
    part, before = link(tmp_path, *documents, document("none"), reranker=reranker, first_stage=first_stage)
    assert sure_of(part) == [True, False, False, True, False]
    assert reranker.ranked == ["gout", "unknown", "lupus"]
    expected = [each if sure else each[::-1] for each, sure in zip(rankings(before), sure_of(part), strict=True)]
    assert rankings(part) == expected
    (probability,) = first_stage.of(["anemia"], FixedGenerator().search(["anemia"], 10))
    first, second = part.mentions.to_pylist()[:2]
    assert [each["score"] for each in first["ranking"]] == probability.tolist()
    assert (first["link_score"], first["first_score"]) == (probability[0], 0.75)
    assert (second["link_score"], second["first_score"]) == (np.float32(0.9), 0.5)
    counts = {name: part.summary[name] for name in ("sure", "unsure", "pairs", "pairs_saved")}
    assert counts == {"sure": 2, "unsure": 3, "pairs": 8, "pairs_saved": 4}
    marks = re.findall(r'key="link_sure">(\w+)<', gzip.decompress(part.data).decode())
    assert marks == ["yes", "no", "yes", "no"]


class Settling(Reversed):
    """Takes mentions as sure by a prior: the candidate whose preferred name is the mention, by far."""

    settles_by_prior = True

    def __init__(self):
        super().__init__()
        borders = [[0.99] if name == "name_likeness" else [] for name in FEATURES]
        weights = [[8.0] if name == "name_likeness" else [] for name in FEATURES]
        self.judge = Reranker(None, None, CrossEncoderParameters())
        self.judge.prior = Prior(borders, weights, {}, 2.0, "fixed", "")
        self.judge.cascade = Cascade(FIRST_STAGE, 0.9, Calibration(), "fixed", settled=Calibration(logit=0.0))
        self.settled = self.judge.settled


def test_with_a_prior_sure_mentions_have_its_order(tmp_path):
    """`Anemia` is the first stage's second candidate."""
    reranker, first_stage = Settling(), with_cascade()[1]
    documents = [
        with_mention(str(number), name) for number, name in enumerate(["Asthma & co <x>", "Anemia", "asthmatic"])
    ]
    part, before = link(tmp_path, *documents, document("none"), reranker=reranker, first_stage=first_stage)
    assert reranker.judge.settles_by_prior
    assert sure_of(part) == [True, True, False]
    assert reranker.ranked == ["asthmatic"]
    assert [each[0][0] for each in rankings(before)] == ["a|b=c"] * 3
    assert [each[0] for each in rankings(part)] == [("a|b=c", 0), ("D1", 1), ("D1", 1)]
    scores = [each["score"] for each in part.mentions.to_pylist()[0]["ranking"]]
    assert scores[0] >= 0.9
    assert scores == sorted(scores, reverse=True)
    assert part.summary["pairs_saved"] == 4


class Pruning(Settling):
    """Scores all candidates of an unsure mention but one."""

    def rank(self, examples, unsure=False):
        return [replace(each, unscored=1) for each in super().rank(examples, unsure)]


def test_candidates_that_no_model_scored_are_counted(tmp_path):
    documents = [with_mention(str(number), name) for number, name in enumerate(["Asthma & co <x>", "asthmatic"])]
    part, _ = link(tmp_path, *documents, document("none"), reranker=Pruning(), first_stage=with_cascade()[1])
    assert sure_of(part) == [True, False]
    assert (part.summary["pairs"], part.summary["pairs_saved"]) == (4, 3)


def test_a_rule_prunes_in_linking_what_it_prunes_alone(tmp_path, kit):
    """`Anemia` has one candidate left; of `asthmatic` both are scored, whatever else is in the chunk."""
    judge = Settling().judge
    reranker = Reranker(kit.scorer("tree"), Calibration(), CrossEncoderParameters())
    reranker.prior = replace(judge.prior, weights=[[3.0] if each else [] for each in judge.prior.weights], none=0.0)
    reranker.cascade = replace(judge.cascade, sure_from=None, pruned_below=0.05)
    first_stage = with_cascade()[1]
    names = ["Anemia", "asthmatic", "Anemia", "gout"]
    documents = [with_mention(str(number), name) for number, name in enumerate(names)]
    together, _ = link(tmp_path, *documents, document("none"), reranker=reranker, first_stage=first_stage)
    alone = [link(tmp_path, each, reranker=reranker, first_stage=first_stage)[0] for each in documents]
    whole, every = together.mentions.to_pylist(), [each.mentions.to_pylist()[0] for each in alone]
    assert [row["ranking"] for row in whole] == [row["ranking"] for row in every]
    assert sure_of(together) == [False] * 4
    assert [each.summary["pairs_saved"] for each in alone] == [2, 0, 2, 0]
    reranker.cascade = replace(reranker.cascade, pruned_below=None)
    scored, _ = link(tmp_path, *documents, reranker=reranker, first_stage=first_stage)
    for row, other, name in zip(whole, scored.mentions.to_pylist(), names, strict=True):
        assert (row["ranking"] == other["ranking"]) == (name != "Anemia")
        assert {each["concept_id"] for each in row["ranking"]} == {each["concept_id"] for each in other["ranking"]}


def test_unsure_mentions_are_shown_the_same_details_whether_others_are_sure_or_not(tmp_path):
    mentions = ["Anemia", "asthmatic", "gout"]
    text = "Anemia, asthmatic and gout."
    spots = [annotation(name, (text.index(name), len(name)), name=name) for name in mentions]
    bad = "<document><id>2</id><passage><offset>no</offset></passage></document>"
    documents = [document("1", passage(text, *spots)), bad, with_mention("3", "gout")]
    (chunk,) = chunks(save(tmp_path / "a.xml", collection(*documents)), sentences=True)
    parameters = CrossEncoderParameters(further_names=2)
    ontology = Ontology.from_concepts(
        [Concept("D1", "Anemia", ["gouty anemia", "anaemia"]), Concept("a|b=c", "Asthma & co <x>", ["asthma", "gouts"])]
    )
    aliases = AliasTable.build(ontology, []).table
    describer = Describer(ontology, aliases, parameters)
    found = add_candidates(chunk, CandidateCache(FixedGenerator(), 10), "fixed")
    every, settling = Reversed(), Settling()
    rerank(found, every, describer)
    rerank(found, settling, describer, None, with_cascade()[1])
    details = {each.mention: each.details for each in every.examples}
    assert [each.mention for each in settling.examples] == ["asthmatic", "gout", "gout"]
    assert all(each.details == details[each.mention] for each in settling.examples)
    assert any(each.names for of_mention in details.values() for each in of_mention)


def test_without_a_prior_nothing_is_settled_by_one(tmp_path):
    """Not by the first stage either, whose probabilities the limit isn't for."""
    reranker, first_stage = Settling(), with_cascade()[1]
    reranker.cascade, reranker.settles_by_prior, reranker.judge.prior = reranker.judge.cascade, False, None
    assert not reranker.judge.settles_by_prior
    part, _ = link(tmp_path, with_mention("1", "Anemia"), reranker=reranker, first_stage=first_stage)
    assert sure_of(part) == [False]
    assert reranker.judge.settled(reranker.examples) == [None]


@given(names=st.lists(st.sampled_from(["Anemia", "gout", "unknown"]), max_size=5), by_prior=st.booleans())
def test_the_cascade_does_not_depend_on_what_shares_the_chunk(tmp_path_factory, names, by_prior):
    home = tmp_path_factory.mktemp("made")
    documents = [with_mention(str(number), name) for number, name in enumerate(names)]
    reranker, first_stage = with_cascade()
    reranker = Settling() if by_prior else reranker
    together, _ = link(home, *documents, reranker=reranker, first_stage=first_stage)
    alone = [link(home, each, reranker=reranker, first_stage=first_stage)[0] for each in documents]
    rows = [row | {"document": None} for row in together.mentions.to_pylist()]
    assert rows == [row | {"document": None} for part in alone for row in part.mentions.to_pylist()]


@pytest.mark.parametrize(("sure_from", "sure"), [(0.9, True), (None, False), (0.999, False)])
def test_nothing_is_lost_where_all_or_no_mentions_are_sure(tmp_path, sure_from, sure):
    reranker, first_stage = with_cascade(sure_from)
    documents = [with_mention("1", "Anemia"), with_mention("2", "Anemia")]
    part, before = link(tmp_path, *documents, reranker=reranker, first_stage=first_stage)
    assert sure_of(part) == [sure, sure]
    assert [sorted(each) for each in rankings(part)] == [sorted(each) for each in rankings(before)]
    assert rankings(part) == [each if sure else each[::-1] for each in rankings(before)]
    assert part.documents["linked"] == [1, 1]
    assert part.summary["pairs_saved"] == (4 if sure else 0)


@pytest.mark.parametrize("by_prior", [False, True])
def test_a_document_that_fails_is_sure_of_nothing(tmp_path, by_prior):
    reranker, first_stage = with_cascade(fails="gout")
    if by_prior:
        reranker = Settling()
        reranker.fails = "gout"
    bad = document("1", passage("Anemia gout", annotation("Anemia", (0, 6)), annotation("gout", (7, 4))))
    part, _ = link(tmp_path, bad, with_mention("2", "Anemia"), reranker=reranker, first_stage=first_stage)
    assert [each["doc_id"] for each in part.quarantine] == ["1"]
    assert sure_of(part) == [False, False, True]
    assert [len(each) for each in rankings(part)] == [0, 0, 2]


def test_without_a_rule_nothing_says_what_is_sure(tmp_path):
    part, _ = link(tmp_path, with_mention("1", "Anemia"))
    assert sure_of(part) == [None]
    assert part.summary["pairs"] == 0
    assert b"link_sure" not in gzip.decompress(part.data)
