"""The page of a run: what was run, how good its links are, what they are, and how fast it was."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from raybel.display import counted, percent
from raybel.errors import ConfigError, InputError
from raybel.evaluation.evaluate_spans import SpanEvaluation, evaluate_spans
from raybel.evaluation.run_ontologies import open_recorded
from raybel.ontology import Ontology
from raybel.report.concepts import ConceptText, concept_texts
from raybel.report.config import ReportConfig
from raybel.report.links import LinkFigures, link_figures
from raybel.report.links_section import links_section
from raybel.report.page import Page, Section, details, facts, note, table
from raybel.report.quality import QualityFigures, quality_figures
from raybel.report.quality_section import quality_section, spans_section
from raybel.report.quarantine_section import quarantine_figures, quarantine_section
from raybel.report.related import directory_name, pages_beside
from raybel.report.run_facts import RunFacts
from raybel.report.sample import Sample, sample_documents
from raybel.report.speed_section import speed_section
from raybel.report.text_section import SCRIPT, text_section
from raybel.runs.run_directory import RunDirectory
from raybel.runs.speed import read_speed


def run_page(run: RunDirectory, config: ReportConfig) -> Page:
    """Return the page of a run, of what there is of one that isn't finished.

    Memory: about a gigabyte, whatever the number of mentions, and the gold corpus's mentions with their rankings.

    Raises:
        ConfigError: Gold is given, and there is nothing to score.
        InputError: It isn't a run, or a file of it can't be read.
        MismatchError: The gold corpus is of other documents.
    """
    about = RunFacts.of(run)
    notices = [] if about.finished else [_unfinished(about)]
    links = link_figures(run)
    ontology, reason = _ontology(run, config)
    quality = spans = None
    if config.gold:
        _refuse_without_links(run, about, links)
        if about.links:
            quality = quality_figures(run, config.evaluation(run.uri), about.reranked, config.seed)
        if about.detects:
            spans = evaluate_spans(config.evaluation(run.uri, spans=True))
    sample = sample_documents(run, quality, config.seed)
    if not links.mentions:
        notices.append(_no_mentions(about))
    elif reason:
        notices.append(reason)
    concepts = concept_texts(ontology, _ids(quality, sample))
    sections, data = _sections(run, about, links, quality, spans, sample, concepts)
    return Page(
        f"Run {directory_name(run.uri)}",
        sections,
        _summary(links, about, quality),
        notices,
        pages_beside(config.page, [run.uri, *about.paths()]),
        [SCRIPT] if data else [],
        data,
    )


def _sections(
    run: RunDirectory,
    about: RunFacts,
    links: LinkFigures,
    quality: QualityFigures | None,
    spans: SpanEvaluation | None,
    sample: Sample,
    concepts: dict[str, ConceptText],
) -> tuple[list[Section], dict[str, object]]:
    """Return the sections, and the data of the script."""
    sections = [_what_was_run(about)]
    data: dict[str, object] = {}
    if quality is not None:
        sections.append(quality_section(quality, concepts, about.scores()))
    if spans is not None:
        sections.append(spans_section(spans))
    if links.mentions and about.links:
        names = ("sure", "unsure", "pairs", "pairs_saved")
        sections.append(links_section(links, about.scores(), {name: about.counts[name] for name in names}))
    if sample.documents:
        section, data = text_section(sample, concepts)
        sections.append(section)
    sections.append(speed_section(read_speed(run), about.progress))
    sections.append(quarantine_section(quarantine_figures(run)))
    return sections, data


def _what_was_run(about: RunFacts) -> Section:
    counts = about.counts
    shown: dict[str, object] = {
        **about.work(),
        "input": ", ".join(about.inputs()) or None,
        "shards": about.shards,
        "documents": counts["documents"],
        "mentions": counts["mentions"],
        "linked": counts["linked"] if about.links else None,
        "documents in quarantine": counts["quarantined"],
        "annotations set aside": counts["set_aside"] or None,
        "withdrawn documents": counts["deleted"] or None,
    }
    blocks: list[Markup] = [
        facts(shown),
        note("A shard is a file of the output, in most cases that of one input file."),
    ]
    if models := about.models():
        blocks += [Markup("<h3>Models</h3>"), facts(models)]
    settings = table("Every option of the run", ["option", "value"], about.settings())
    blocks.append(details("Configuration", [settings]))
    blocks.append(details("Versions", [facts(about.versions())]))
    blocks.append(details("Status", [table("As `raybel status` says", ["", ""], about.figures())]))
    return Section("What was run", blocks)


def _summary(links: LinkFigures, about: RunFacts, quality: QualityFigures | None) -> str:
    what = f"{counted(links.mentions, 'mention')} in {counted(about.counts['documents'], 'document')}"
    share = f", {percent(links.linked / links.mentions)} % of them linked" if links.mentions and about.links else ""
    score = ""
    if quality is not None:
        best = quality.evaluation.groups.to_pylist()[0]
        low, high = (percent(best[name]) for name in ("low", "high"))
        interval = f" (95 % interval {low} to {high})" if low is not None else ""
        of = counted(best["mentions"], "gold mention")
        score = f" {best['metric']} is {percent(best['value'])} %{interval} of {of}."
    return f"{what}{share}.{score}"


def _unfinished(about: RunFacts) -> str:
    figures = dict(about.figures())
    return (
        f"This run isn't finished ({about.status.state}): {figures.get('input files', 0)} input files are done, and "
        f"the page is of the {counted(about.shards, 'shard')} that they made."
    )


def _no_mentions(about: RunFacts) -> str:
    if not about.shards:
        return "No shard is finished yet, so that there is nothing to count."
    where = "the detector found none" if about.detects else "the documents have no annotations of the wanted types"
    return f"This run has no mentions: {where}."


def _refuse_without_links(run: RunDirectory, about: RunFacts, links: LinkFigures) -> None:
    """Refuse gold for a run that has nothing to compare with it.

    Raises:
        ConfigError: It has no shard, or no mention.
    """
    if not about.shards:
        raise ConfigError(f"{run.uri}: the run has no finished shard to compare with --gold; see `raybel status`")
    if not links.mentions and not about.detects:
        raise ConfigError(f"{run.uri}: the run has no mentions to compare with --gold")


def _ontology(run: RunDirectory, config: ReportConfig) -> tuple[Ontology | None, str]:
    """Return what gives concepts their names and definitions, and why there is nothing, "" where there is."""
    if config.ontology:
        return Ontology.open(config.ontology), ""
    try:
        routes = run.routes()
        return (open_recorded([routes]) if routes else None), ""
    except (ConfigError, InputError) as error:
        return None, f"Definitions, and names of gold concepts, aren't shown: {error}"


def _ids(quality: QualityFigures | None, sample: Sample) -> Sequence[str]:
    """Return the concepts that the page may show words of."""
    ids = []
    for confusion in quality.confusions if quality is not None else ():
        ids += [*confusion.gold, *confusion.predicted]
    for document in sample.documents:
        for mention in document.mentions:
            ids += [each["concept_id"] for each in mention["ranking"]]
            ids += mention["judgement"].gold if mention["judgement"] is not None else ()
    return ids
