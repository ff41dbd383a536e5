"""What couldn't be used, by reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from raybel.display import counted
from raybel.evaluation.tallies import Frequent
from raybel.files import storage
from raybel.report.page import Section, note, table, text
from raybel.runs.quarantine import is_of_file, quarantined
from raybel.runs.run_directory import RunDirectory

MOST_REASONS = 30
#: Characters of a reason and of an example.
_WIDTH = 240
_NUMBER = re.compile(r"\d+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»|`[^`]*`")
_KINDS = {"read": "document", "linking": "document", "annotation": "annotation"}


@dataclass
class QuarantineFigures:
    """What couldn't be used.

    Args:
        reasons: Records by (what, stage, reason without its numbers and quotations).
        examples: A reason's first record as it stands: (file, document, reason).
    """

    reasons: Frequent[tuple[str, str, str]] = field(default_factory=lambda: Frequent(20_000))
    examples: dict[tuple[str, str, str], tuple[str, str, str]] = field(default_factory=dict)


def quarantine_figures(run: RunDirectory) -> QuarantineFigures:
    """Count a run's quarantine by reason; also that of input files that couldn't be read and have no shard."""
    figures = QuarantineFigures()
    names = (name.removesuffix(".jsonl") for name in storage.names(run.quarantine) if name.endswith(".jsonl"))
    for name in names:
        for record in quarantined(run, name):
            key = (_what(record), str(record["stage"]), alike(str(record["reason"])))
            figures.reasons.add(key)
            if len(figures.examples) < figures.reasons.most:
                example = (str(record["path"]), str(record["doc_id"] or ""), str(record["reason"])[:_WIDTH])
                figures.examples.setdefault(key, example)
    return figures


def alike(reason: str) -> str:
    """Return a reason without what differs from one document to another: numbers, quotations, what is beyond a line."""
    line = reason.strip().partition("\n")[0]
    return _NUMBER.sub("N", _QUOTED.sub("…", line))[:_WIDTH]


def quarantine_section(figures: QuarantineFigures) -> Section:
    """Return the section."""
    if not figures.reasons.counts:
        return Section("Quarantine", [text("Empty: every document and every annotation could be used.")])
    total = sum(figures.reasons.counts.values())
    listed = figures.reasons.top(MOST_REASONS)
    blocks = [
        table(
            f"{counted(total, 'record')} by reason: each number is N, each quotation …",
            ["what", "stage", "reason", "records", "for example"],
            _rows(listed, figures.examples),
        )
    ]
    if len(figures.reasons) > len(listed):
        blocks.append(note(f"Not shown: {counted(len(figures.reasons) - len(listed), 'rarer reason')}."))
    return Section("Quarantine", blocks)


def _rows(
    listed: list[tuple[tuple[str, str, str], int]], examples: Mapping[tuple[str, str, str], tuple[str, str, str]]
) -> Iterator[list[object]]:
    for key, count in listed:
        path, document, reason = examples.get(key, ("", "", ""))
        where = storage.name_of(path).rpartition("/")[2] + (f", document {document}" if document else "")
        yield [*key, count, Markup("{}<br><span class='quiet'>{}</span>").format(reason, where)]


def _what(record: Mapping[str, Any]) -> str:
    return "file" if is_of_file(record) else _KINDS.get(str(record["stage"]), "document")
