"""`raybel train dictionary`."""

from __future__ import annotations

from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.cli.token_classifier import show_validation
from raybel.config import configured
from raybel.display import counted, duration, percent, relative
from raybel.jobs.train.config import TrainDictionaryConfig

#: Kinds of names, as `DictionaryFacts.shares` names them, in words.
_KINDS = {
    "several_tokens": "of several words",
    "one_token": "of one word",
    "cased": "short or acronyms",
    "mention": "of training mentions alone",
}


@click.command(context_settings=CONTEXT)
@options(TrainDictionaryConfig, leave=("expand_abbreviations",))
def dictionary(values: dict[str, Any]) -> None:
    """Make a dictionary, which finds an ontology's names in text.

    With a training corpus its mentions become names too, and names that are rarely mentions there are left out; without
    one, names that are common words of English are. With a validation corpus, what it finds there is scored.

    \b
    Example:
      raybel train dictionary --ontology data/ontology.arrow --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --output-dir models/dictionary
    """
    config = configured(TrainDictionaryConfig, values)
    from raybel.jobs.train.dictionary import train_dictionary

    trained = train_dictionary(config)
    facts = trained.facts
    rows: list[list[object]] = [
        ["names", facts.names],
        ["of these, of training mentions alone", facts.of_mentions],
        ["of these, found in their own case only", facts.case_matters],
        ["left out: rarely mentions, or common words", facts.stop_names],
        ["left out: of branches that training doesn't annotate", facts.without_type],
        ["left out: too long", facts.too_long],
    ]
    named = ", ".join(each or "no type" for each in trained.types)
    notes = [f"finds: {named}; made in {duration(trained.seconds)}"]
    if trained.documents:
        shares = ", ".join(f"{percent(share)} {_KINDS[kind]}" for kind, share in facts.shares.items())
        notes.insert(0, f"{counted(trained.documents, 'training document')}, {counted(trained.mentions, 'mention')}")
        notes.append(f"mean share of a name's occurrences that are mentions, in %: {shares}")
    tables.table(f"dictionary {relative(config.output_dir)}", ["", ""], rows, notes)
    if trained.validation:
        corpora = trained.validation["corpora"]
        set_aside = [corpus["set_aside"] for corpus in corpora if corpus["set_aside"]]
        show_validation(corpora, trained.validation["by_corpus"], set_aside)
