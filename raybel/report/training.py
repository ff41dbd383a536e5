"""The page of a training: what was trained on what, how it went over the epochs, what its scores are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from raybel.display import duration, percent
from raybel.files import storage
from raybel.files.storage import join
from raybel.report import charts
from raybel.report.charts import Chart
from raybel.report.page import Page, Section, details, facts, heading, note, table, text
from raybel.report.related import directory_name, pages_beside, siblings

#: What a training's workers write as they go.
PROGRESS = "progress.json"
#: Kind of model -> what people call it.
KINDS = {"crossencoder": "cross-encoder", "detector": "detector", "sapbert": "SapBERT encoder", "dense": "dense index"}
#: Lines in a chart.
MOST_LINES = 7
Block = Markup | Chart


def training_page(directory: str, description: Mapping[str, Any], page: str) -> Page:
    """Return the page of a training's directory; of one that isn't finished, of what is known.

    Args:
        directory: Path or URI.
        description: As its `raybel.json` has it.
        page: Where the page will lie, for links to others.
    """
    epochs = [each for each in description.get("epochs") or () if isinstance(each, dict)]
    notices = [] if description.get("finished") or "finished" not in description else [_unfinished(directory)]
    sections = [Section("What was trained", _about(description, epochs))]
    sections.append(Section("Epochs", _epochs(description, epochs)))
    if worth := _worth(description):
        sections.append(Section("Calibration", worth))
    kind = KINDS.get(description["kind"], description["kind"])
    return Page(
        f"Training of the {kind} {directory_name(directory)}",
        sections,
        "",
        notices,
        pages_beside(page, siblings(directory)),
    )


def _unfinished(directory: str) -> str:
    path = join(directory, PROGRESS)
    progress = storage.find_json(path)
    if not isinstance(progress, dict) or "epoch" not in progress:
        return "This training isn't finished: no epoch is over, or it isn't known how many are."
    loss = f", with a loss of {progress['loss']:.4f}" if "loss" in progress else ""
    return (
        f"This training isn't finished: it is in epoch {progress['epoch']} of at most {progress.get('epochs')}{loss}. "
        "The epochs' scores are there when it is."
    )


def _about(description: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> list[Block]:
    identity, parameters = description.get("identity", {}), description.get("parameters") or {}
    seconds = sum(each.get("seconds") or 0.0 for each in epochs)
    best = [each for each in epochs if each.get("best")]
    shown: dict[str, object] = {
        "kind": KINDS.get(description["kind"], description["kind"]),
        "type": description.get("crosstype"),
        "types of mentions": ", ".join(description.get("types") or ()) or None,
        "state": "finished" if description.get("finished") else "not finished",
        "epochs": len(epochs) or None,
        "best epoch": best[-1].get("epoch") if best else None,
        "time in epochs": duration(seconds) if seconds else None,
        "candidates of": description.get("generator"),
        "seed": identity.get("seed"),
    }
    blocks: list[Block] = [facts(shown)]
    if rows := list(_corpora(description)):
        names = list(dict.fromkeys(name for _, counts in rows for name in counts))
        cells = [[corpus, *(counts.get(name) for name in names)] for corpus, counts in rows]
        blocks.append(table("Corpora", ["", *(name.replace("_", " ") for name in names)], cells))
    known = parameters or identity.get("parameters") or {}
    if known:
        listed = [[name, _text(value)] for name, value in sorted(known.items())]
        blocks.append(details("Hyper-parameters", [table("Hyper-parameters", ["name", "value"], listed)]))
    if versions := description.get("versions"):
        blocks.append(details("Versions", [facts(versions)]))
    return blocks


def _corpora(description: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield (corpus, counts): of a cross-encoder by name, of a detector by split."""
    for name, counts in (description.get("counts") or {}).items():
        yield name, {key: value for key, value in counts.items() if isinstance(value, int)}
    for split, corpora in (description.get("corpora") or {}).items():
        for number, counts in enumerate(corpora, 1):
            mentions = counts.get("mentions")
            by_type = {"mentions": sum(mentions.values())} if isinstance(mentions, dict) else {}
            plain = {key: value for key, value in counts.items() if isinstance(value, int)}
            yield f"{split} {number}", {**plain, **by_type}


def _epochs(description: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> list[Block]:
    if not epochs:
        return [text("No epoch is recorded.")]
    numbers = [float(each.get("epoch", place)) for place, each in enumerate(epochs, 1)]
    losses = {
        "training": [each.get("loss") for each in epochs],
        "validation": [each.get("validation_loss") for each in epochs],
    }
    drawn = {name: values for name, values in losses.items() if any(value is not None for value in values)}
    blocks: list[Block] = []
    if drawn and len(epochs) > 1:
        blocks.append(charts.lines("Mean loss of each epoch.", "epoch", "loss", numbers, drawn))
    scores = [dict(_scores(each.get("scores"))) for each in epochs]
    names = [name for name in dict.fromkeys(name for each in scores for name in each) if "loss" not in name]
    series = {name: [each.get(name) for each in scores] for name in _first(names, description)}
    if series and len(epochs) > 1:
        blocks.append(
            charts.lines("Scores on the validation corpus after each epoch.", "epoch", "%", numbers, series, True)
        )
    for chart in blocks:
        if isinstance(chart, Chart):
            chart.figure.update_layout(xaxis_dtick=max(1, len(epochs) // 12))
    if names:
        best = max((place for place, each in enumerate(epochs) if each.get("best")), default=None)
        header = [f"{number:.0f}" + (" (best)" if place == best else "") for place, number in enumerate(numbers)]
        rows: list[list[object]] = [[name, *(percent(each.get(name)) for each in scores)] for name in names]
        for name, values in drawn.items():
            rows.append([f"{name} loss (not in percent)", *("" if each is None else f"{each:.4f}" for each in values)])
        blocks.append(table("Scores in percent after each epoch", ["epoch", *header], rows))
    else:
        blocks.append(note("There was no validation corpus, so that epochs have no scores."))
    return blocks


def _scores(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield (name, share) of nested scores: of a detector they are by type."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _scores(inner, f"{path} {key}".strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _first(names: Sequence[str], description: Mapping[str, Any]) -> list[str]:
    """Return the scores that are drawn: the one that epochs are compared by, then some more."""
    metric = (description.get("parameters") or {}).get("metric")
    preferred = [str(metric), "Acc@1", "recall@5", "recall@10", "MRR", "F1"]
    chosen = [name for name in dict.fromkeys(preferred) if name in names]
    others = [name for name in names if name.split()[-1] == "F1" and name not in chosen]
    return [*chosen, *others, *([] if chosen or others else names)][:MOST_LINES]


def _worth(description: Mapping[str, Any]) -> list[Block]:
    """Return what scores are worth, as it was fitted to the validation corpus."""
    blocks: list[Block] = []
    if weights := description.get("calibration"):
        rows = [[name, f"{value:.4f}"] for name, value in weights.items() if isinstance(value, int | float)]
        blocks.append(table("Weights of the evidence for a candidate", ["evidence", "weight"], rows))
    for cascade in description.get("cascades") or ():
        figures = cascade.get("figures") or {}
        rows = [
            [name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{100 * value:.1f} %"]
            for name, value in figures.items()
            if isinstance(value, int | float)
        ]
        sure = cascade.get("sure_from")
        rule = "nothing is sure" if sure is None else f"sure from a probability of {sure} on"
        if (pruned_below := cascade.get("pruned_below")) is not None:
            rule += f"; candidates of others are scored from a probability of {pruned_below} on"
        blocks += [
            heading(f"With candidates of {str(cascade.get('generator', '')).split()[0] or 'any generator'}"),
            text(f"Without the model: {rule}. Recommended threshold: {cascade.get('threshold') or 'none'}."),
            table("On the validation corpus", ["", "value"], rows),
        ]
    return blocks


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "" if value is None else str(value)
