"""The page of a directory, whatever it holds: a run, a pipeline, a training or a sweep."""

from __future__ import annotations

from typing import Any

from raybel.display import counted
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION
from raybel.report.config import ReportConfig
from raybel.report.page import Page
from raybel.runs.array import runs_of
from raybel.runs.pipeline import PipelineDirectory, run_with_links

#: The kind of a sweep's directory.
SWEEP = "sweep"


def write_report(config: ReportConfig) -> str:
    """Make the page of a directory, and write it; the same directory gives the same bytes. Return where it is.

    Args:
        config: What the page is about, and what is compared with it.

    Raises:
        ConfigError: The page can't be written, or gold is given where there is nothing to compare with it.
        InputError: The directory holds nothing that there is a page of, or a file of it can't be read.
        MismatchError: The gold corpus is of other documents.
    """
    html = make_page(config).html()
    storage.publish(config.page, html.encode("utf-8", "replace"))
    return config.page


def make_page(config: ReportConfig) -> Page:
    """Return the page of a directory; raises as `write_report`."""
    description = _description(config.directory)
    if description is not None:
        if config.gold:
            kind = description["kind"]
            raise ConfigError(f"{config.directory} holds a {kind}: --gold goes with a run, which has links to compare")
        if description["kind"] == SWEEP:
            from raybel.report.sweep import page_of_sweep

            return page_of_sweep(config.directory, config.page)
        from raybel.report.training import training_page

        return training_page(config.directory, description, config.page)
    run = run_with_links(config.directory)
    if not run.exists():
        raise InputError(_why_no_run(config.directory), path=config.directory)
    from raybel.report.run_page import run_page

    return run_page(run, config)


def _why_no_run(directory: str) -> str:
    if PipelineDirectory(directory).exists():
        return "this pipeline hasn't begun to link, so that there is nothing to show yet; see `raybel status`"
    if names := list(runs_of(directory)):
        others = f", and {counted(len(names) - 3, 'more', 'more')}" if names[3:] else ""
        return (
            f"holds the runs of a job array, each of which has its own page: name one ({', '.join(names[:3])}{others})"
        )
    return "holds no run, pipeline, training or sweep that there is a page of"


def _description(directory: str) -> dict[str, Any] | None:
    """Return what a training or a sweep says that it is, None for what is neither."""
    path = join(directory, DESCRIPTION)
    value = storage.read_json(path) if storage.exists(path) else None
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return None
    return value if value["kind"] == SWEEP or "epochs" in value or "finished" in value else None
