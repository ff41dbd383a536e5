"""What a person should know of an export: what of the run it lacks, and what isn't as it is in the run."""

from __future__ import annotations

from collections.abc import Iterator

from raybel.display import counted
from raybel.exports.documents import Tally
from raybel.runs.pipeline import PipelineDirectory
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import unread_files


def notes_on_input(uri: str) -> list[str]:
    """Say which files of the input of a run, or of a pipeline, couldn't be read, so that the run lacks them."""
    pipeline = PipelineDirectory(uri)
    runs = (pipeline.found, pipeline.links) if pipeline.exists() else (RunDirectory(uri),)
    return list(dict.fromkeys(note for run in runs for note in unread_files(run)))


def notes_on_documents(tally: Tally) -> Iterator[str]:
    """Say what of the documents was left out, and what was changed."""
    yield from _on_links(tally)
    if tally.left_out:
        yield f"Left out, since they couldn't be linked: {counted(tally.left_out, 'document')} (quarantine/ says why)."
    if tally.set_aside:
        yield (
            f"Left out, since they can't be used: {counted(tally.set_aside, 'annotation')} of the input (quarantine/ "
            "says why)."
        )
    if tally.moved:
        yield (
            f"Offsets differ from the corpus's in {counted(tally.moved, 'document')}: passages follow each other there "
            "with a gap of one character."
        )
    if tally.replaced:
        yield f"Line breaks, tabs or control characters became spaces in {counted(tally.replaced, 'document')}."
    if tally.unaligned:
        yield (
            f"Mentions that begin or end within a token, or are empty: {tally.unaligned:,} of {tally.mentions:,}; they "
            "are in `doc.user_data`, not in `doc.spans`."
        )
    if tally.overlapping:
        yield f"Mentions that overlap a longer one: {tally.overlapping:,}; they are in `doc.spans`, not in `doc.ents`."


def _on_links(tally: Tally) -> Iterator[str]:
    if not tally.mentions:
        yield "The run has no mentions: what was written holds texts alone (`raybel link --dictionary` finds mentions)."
    elif tally.unrouted == tally.mentions:
        yield "No mention has a link: the run finds mentions and links none (`raybel link` on its shards does)."
    elif not tally.linked:
        yield "No mention has a link: the run found none, or the threshold leaves none."
    elif tally.unrouted:
        yield f"Mentions of types that the run links to nothing: {tally.unrouted:,} of {tally.mentions:,}."
