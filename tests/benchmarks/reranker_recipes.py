"""What a re-ranker's recipes are worth on several corpora, against the first stage, by paired bootstrap over documents.

python tests/benchmarks/reranker_recipes.py --home recipes [--data ../shared/data] [--recipes plain names joint+names]
    [--corpora ncbi bc5cdr-disease bc5cdr-chemical biored] [--seeds 0 1] [--generator ngrams] [--model-name minilm]

A recipe is levers, joined by `+`: `plain` (none), `names` (pre-training on the names of the corpora's ontologies),
`obo` (on those of MONDO and HPO too), `joint` (one model for all corpora), `NAME=VALUE` (any hyper-parameter, such as
`max_epochs=5` or `pretrain_examples=10000`). A model is trained on nine tenths of the training documents; on the last
tenth the best epoch is chosen, and probabilities and what is sure are fitted. It is judged on the development
documents, which nothing was fitted on: corpora share documents, so that nothing is learned of one that any corpus is
judged or fitted on. `unsure` are the mentions whose first of ten candidates has a probability below --unsure by the
first stage's own calibration: the same ones for all recipes.

A line of JSON for each recipe, seed and corpus goes to HOME/results.jsonl, and to standard output. The same command
again, or one with more recipes, goes on with what isn't there: everything that is made stays in HOME, a killed training
goes on from its last epoch, and a run that has its line isn't run again. HOME must be a directory of its own, for one
--documents; it needs about 200 MB for each model of MiniLM's size. `--documents 40` tries the commands.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import yaml
from candidate_recall import enriched
from crossencoder_data import prepared
from lxml import etree

from raybel.candidates.calibrating import TOP_K as FITTED_TOP_K
from raybel.candidates.evidence import Probabilities
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions
from raybel.jobs.calibrate.config import CalibrateConfig
from raybel.jobs.calibrate.job import calibrate_generator
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.train.config import TrainCrossEncoderConfig, TrainNgramsConfig
from raybel.jobs.train.crossencoder import train_crossencoder
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.prepare.obo import OboConfig, prepare_obo
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Reranker, device
from raybel.rerank.training.cascading import read_annotated
from raybel.rerank.training.crossfit import gold_rows, labelled_examples

#: Corpus -> how it is prepared, whose ontology it has, and the types of mentions that count.
CORPORA: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ncbi": ("ncbi", "ncbi", ()),
    "bc5cdr-disease": ("bc5cdr", "bc5cdr", ("Disease",)),
    "bc5cdr-chemical": ("bc5cdr", "bc5cdr", ("Chemical",)),
    "biored": ("biored", "bc5cdr", ()),
}
#: One in so many training documents is kept to choose and to fit on.
KEPT = 10
RESAMPLES = 10_000


@dataclass(frozen=True)
class Corpus:
    """A corpus that is ready: its three files, ontology, and generator."""

    name: str
    home: Path
    ontology: str
    generator: GeneratorPaths
    mentions: MentionOptions

    def file(self, split: str) -> tuple[str]:
        return (str(self.home / f"{split}.bioc.xml.gz"),)

    def options(self) -> dict[str, Any]:
        """As a file of --corpora names them."""
        paths = {name: path for name, path in vars(self.generator).items() if path}
        splits = {"train_corpus": self.file("learn")[0], "val_corpus": self.file("choose")[0]}
        return {"ontology": self.ontology, **paths, **splits, "mention_types": list(self.mentions.mention_types)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="where everything that is made stays")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--recipes", nargs="+", default=["plain", "names", "joint", "joint+names"])
    parser.add_argument("--corpora", nargs="+", default=[*CORPORA], choices=[*CORPORA])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--generator", default="ngrams", choices=["ngrams", "dense", "hybrid"])
    parser.add_argument("--model-name", default="minilm", help="what re-rankers start from")
    parser.add_argument("--crosstype", default="tree")
    parser.add_argument("--documents", type=int, help="training documents of each corpus, for a try; all by default")
    parser.add_argument("--unsure", type=float, default=0.9, help="first-stage probability below which one is unsure")
    args = parser.parse_args()
    args.home = args.home.absolute()
    corpora = [ready(args, name) for name in args.corpora]
    done = {key_of(line) for line in lines(args.home)}
    for seed in args.seeds:
        for recipe in args.recipes:
            groups = [corpora] if "joint" in recipe.split("+") else [[corpus] for corpus in corpora]
            for group in groups:
                run(args, recipe, seed, group, done)


def lines(home: Path) -> Iterator[dict[str, Any]]:
    """The results so far; a line that was cut off by a kill counts as not there."""
    path = home / "results.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            print(f"{path}: passing over a damaged line", file=sys.stderr)


def key_of(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        line[name] for name in ("recipe", "seed", "corpus", "with", "generator", "model", "type", "unsure_below")
    )


def ready(args: argparse.Namespace, name: str) -> Corpus:
    """Make a corpus's generator, and all corpora's files, unless they are there."""
    source, owner, types = CORPORA[name]
    made = args.home / "corpora"
    prepare(args, made)
    mentions = MentionOptions(mention_types=types)
    ontology, learn = str(made / owner / "ontology-plus.arrow"), (str(made / source / "learn.bioc.xml.gz"),)
    home = args.home / "generators" / f"{name}-{args.generator}"
    ngrams, dense = str(home / "ngrams"), str(home / "dense")
    if args.generator != "dense" and not (home / "ngrams.done").exists():
        train_ngrams(TrainNgramsConfig(ontology, ngrams, learn, mentions=mentions))
        (home / "ngrams.done").touch()
    if args.generator != "ngrams":
        vectors = str(made / owner / "names.npy")  # of the ontology's names: encoded once for all corpora
        if not Path(vectors).exists():
            index_dense(IndexDenseConfig(ontology, str(made / owner / "names"), "minilm", out_vectors=vectors))
        index_dense(IndexDenseConfig(ontology, dense, "minilm", train_corpus=learn, mentions=mentions, vectors=vectors))
    paths = GeneratorPaths(ngrams if args.generator != "dense" else None, dense if args.generator != "ngrams" else None)
    corpus = Corpus(name, made / source, ontology, paths, mentions)
    if open_generator(Ontology.open(ontology), paths).calibration is None:
        calibrate_generator(CalibrateConfig(ontology, paths, corpus.file("choose"), mentions=mentions))
    return corpus


def prepare(args: argparse.Namespace, made: Path) -> None:
    """Prepare all corpora, and split their training documents, unless that was done."""
    if (made / "prepared").exists():
        return
    sources = list(dict.fromkeys(source for source, _, _ in CORPORA.values()))
    for source in sources:
        if not (made / source / "val.bioc.xml.gz").exists():
            prepared(args.data, made, source, None)
    for owner in dict.fromkeys(owner for _, owner, _ in CORPORA.values()):
        enriched(args.data, made, str(made / owner / "ontology.arrow"))
    documents = {source: parsed(made / source / "train.bioc.xml.gz")[1] for source in sources}
    judged = {each.findtext("id") for source in sources for each in parsed(made / source / "val.bioc.xml.gz")[1]}
    chosen = {
        source: [each for each in of_source[KEPT - 1 :: KEPT] if each.findtext("id") not in judged]
        for source, of_source in documents.items()
    }
    held_out = judged | {each.findtext("id") for of_source in chosen.values() for each in of_source}
    for source, of_source in documents.items():
        learned = [document for document in of_source[: args.documents] if document.findtext("id") not in held_out]
        write(made / source, "learn", learned)
        write(made / source, "choose", chosen[source][: args.documents and max(1, args.documents // KEPT)])
        print(f"{source}: {len(learned)} of {len(of_source)} training documents are learned from", flush=True)
    (made / "prepared").touch()


def parsed(path: Path) -> tuple[etree._Element, list[etree._Element]]:
    """A collection and its documents."""
    with gzip.open(path) as file:
        root = etree.parse(file).getroot()
    return root, root.findall("document")


def write(home: Path, name: str, documents: list[etree._Element]) -> None:
    """Write some of the training documents."""
    root, others = parsed(home / "train.bioc.xml.gz")
    for document in others:
        root.remove(document)
    root.extend(documents)
    (home / f"{name}.bioc.xml.gz").write_bytes(gzip.compress(etree.tostring(root), mtime=0))


def hyper_parameters(recipe: str) -> CrossEncoderParameters:
    pairs = [lever.split("=", 1) for lever in recipe.split("+") if "=" in lever]
    return CrossEncoderParameters().changed({name: json.loads(value) for name, value in pairs})


def extra_ontologies(args: argparse.Namespace) -> list[str]:
    """MONDO and HPO, prepared unless they are there."""
    made = []
    for name, path in (("mondo", "mondo/mondo.obo.gz"), ("hpo", "hpo/hp.obo.gz")):
        out = args.home / "ontologies" / f"{name}.arrow"
        if not out.exists():
            prepare_obo(OboConfig(str(args.data / path), str(out)))
        made.append(str(out))
    return made


def run(args: argparse.Namespace, recipe: str, seed: int, group: list[Corpus], done: set[tuple[Any, ...]]) -> None:
    """Train a model, unless all of its lines are there, and write a line for each of its corpora."""
    known = {"plain", "names", "obo", "joint"}
    levers = {lever for lever in recipe.split("+") if "=" not in lever}
    if levers - known:
        raise SystemExit(
            f"{recipe}: no lever {', '.join(sorted(levers - known))}; there are {', '.join(sorted(known))}"
        )
    names = " ".join(corpus.name for corpus in group)
    facts: dict[str, Any] = {"recipe": recipe, "seed": seed, "with": names, "generator": args.generator}
    facts |= {"model": args.model_name, "type": args.crosstype, "unsure_below": args.unsure}
    wanted = [corpus for corpus in group if key_of(facts | {"corpus": corpus.name}) not in done]
    if not wanted:
        return
    base = args.model_name.rpartition("/")[2]
    names = names.replace(" ", "-")
    home = args.home / "models" / f"{recipe}-{names}-{args.generator}-{base}-{args.crosstype}-{seed}"
    (first, *others), named = group, [corpus.ontology for corpus in group] if levers & {"names", "obo"} else []
    named += extra_ontologies(args) if "obo" in levers else []
    further = None
    if others:
        further = str(args.home / f"{names}-{args.generator}.yaml")
        Path(further).write_text(yaml.safe_dump({other.name: other.options() for other in others}))
    begun = time.time()
    trained = train_crossencoder(
        TrainCrossEncoderConfig(
            *(first.ontology, str(home), first.file("learn"), first.generator, args.crosstype, first.file("choose")),
            *(args.model_name, hyper_parameters(recipe), further, tuple(dict.fromkeys(named)), first.mentions),
            seed=seed,
        )
    )
    facts |= {"best_epoch": trained.best["epoch"], "epochs": len(trained.epochs)}
    facts |= {"training_seconds": round(sum(epoch["seconds"] for epoch in trained.epochs), 1), "names": trained.names}
    for corpus in wanted:
        line = facts | {"corpus": corpus.name} | judge(corpus, str(home), args.unsure)
        line["seconds"] = round(time.time() - begun, 1)
        with (args.home / "results.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def judge(corpus: Corpus, home: str, unsure_below: float) -> dict[str, Any]:
    """Acc@1 of both stages on the development documents, on all mentions and on the unsure ones.

    `reranked` is what `link` does: what the model's own rule takes as sure has the order by prior and first stage.
    `all` is the re-ranker on every mention, `prior` the ranking by its prior alone, where it has one, `settled` that by
    prior and first stage. `sure_share` is how many the rule takes as sure. Mentions without candidates count as wrong,
    and as unsure.
    """
    ontology = Ontology.open(corpus.ontology)
    generator = open_generator(ontology, corpus.generator, threads=2)
    reranker = Reranker.load(home, device()).for_generator(generator)
    parameters = reranker.parameters
    documents = read_annotated(corpus.file("val"), corpus.mentions)
    describer = Describer(ontology, generator.alias_table, parameters)
    by_document = labelled_examples(documents, generator, ontology, describer, parameters.context, parameters.top_k)
    examples = [example for of_document in by_document for example in of_document]
    document = np.array([number for number, of_document in enumerate(by_document) for _ in of_document])
    golds = np.array([example.gold for example in examples])
    surfaces = linkable_surfaces(documents, ontology)
    candidates = [example.candidates for example in examples]
    ten = generator.search(surfaces, FITTED_TOP_K)  # whatever the recipe's own number is
    first = best(Probabilities(generator.calibration.calibration, generator.alias_table).of(surfaces, ten))
    every = [int(ranking.order[0]) if len(ranking.order) else -2 for ranking in reranker.rank(examples)]
    kept = np.array(every)
    line: dict[str, Any] = {"documents": len(by_document), "mentions": len(examples)}
    right = {"first_stage": golds == 0, "all": np.array(every) == golds}
    if (cascade := reranker.cascade) is not None:
        by_rule = Probabilities(cascade.first_stage, generator.alias_table).of(surfaces, candidates)
        settled, sure = np.zeros(len(golds), int), np.array([cascade.is_sure(each) for each in by_rule])
        if reranker.settles_by_prior:
            rankings = reranker.by_prior(examples)
            settled = np.array([int(each.order[0]) if len(each.order) else -2 for each in rankings])
            sure = np.array([cascade.is_sure(each.scores) for each in rankings])
        unsure = [int(r.order[0]) if len(r.order) else -2 for r in reranker.rank(examples, unsure=True)]
        kept = np.where(sure, settled, unsure)
        line["sure_share"] = round(float(sure.mean()), 4)
        if reranker.settles_by_prior:
            right["settled"] = settled == golds
    right["reranked"] = kept == golds
    if reranker.prior is not None:
        by_prior = [
            -2 if prior is None or not len(prior) else int(prior.argmax()) for prior in reranker.priors(examples)
        ]
        right["prior"] = np.array(by_prior) == golds
    line["recall"] = round(float(np.mean(golds >= 0)), 4)
    for name, rows in (("", np.ones(len(golds), bool)), ("unsure_", first < unsure_below)):
        line[f"{name}mentions"] = int(rows.sum())
        line |= {f"{name}{stage}": round(float(value[rows].mean()), 4) for stage, value in right.items()}
        for stage in [*right][1:]:
            gains = right[stage][rows].astype(float) - right["first_stage"][rows]
            line[f"{name}{stage}_gain"] = paired(gains, document[rows])
    return line


def linkable_surfaces(documents: list[dict[str, Any]], ontology: Ontology) -> list[str]:
    """Those of the mentions that `labelled_examples` makes examples of, in its order."""
    return [
        mention["surface"]
        for document in documents
        for mention, gold in zip(document["mentions"], gold_rows(document["mentions"], ontology), strict=True)
        if gold >= 0
    ]


def best(probabilities: list[np.ndarray]) -> np.ndarray:
    return np.array([each[0] if len(each) else 0.0 for each in probabilities])


def paired(gains: np.ndarray, document: np.ndarray) -> dict[str, float]:
    """The mean gain of a mention, in points; its 95 % interval, and the share of resamples in which there is none.

    Documents are resampled, with all their mentions (Efron & Tibshirani, "An Introduction to the Bootstrap", ch. 8).
    """
    _, which = np.unique(document, return_inverse=True)
    sums, sizes = np.bincount(which, gains), np.bincount(which).astype(float)
    weights = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    means = 100 * (weights @ sums) / (weights @ sizes)
    low, high = np.percentile(means, [2.5, 97.5])
    figures = {"points": 100 * gains.mean(), "low": low, "high": high, "no_gain": float(np.mean(means <= 0))}
    return {name: round(float(value), 3) for name, value in figures.items()}


if __name__ == "__main__":
    main()
