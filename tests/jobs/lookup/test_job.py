import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ray_fixture import LINKS, SURFACES, documents, one, outputs, three_files
from samples import collection, save

from raybel.config import MentionOptions, ModelPaths, Resources
from raybel.errors import ConfigError, MismatchError
from raybel.jobs.link.job import link
from raybel.jobs.lookup import job as lookup_job
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.lookup.job import _distinct, make_lookup
from raybel.jobs.status import status

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return three_files(tmp_path_factory.mktemp("lookup_corpus"))


@pytest.fixture(scope="module")
def made(local_ray, model, corpus, tmp_path_factory):
    config = LookupConfig(
        (str(corpus),), str(tmp_path_factory.mktemp("lookup") / "l"), model.ontology, ModelPaths(model.ngrams), ranges=4
    )
    return config, make_lookup(config)


def files(lookup):
    return {path.name: path.read_bytes() for path in Path(lookup).iterdir() if path.name != ".lock"}


def test_counts(made):
    _, done = made
    assert (done.surfaces, done.mentions, done.found) == (len(SURFACES), 36, len(SURFACES) - 1)
    assert (done.bad_documents, done.failed) == (0, [])


@pytest.mark.bench
def test_the_bytes_do_not_depend_on_actors_or_files(made, tmp_path):
    config, _ = made
    everything = [one(str(i), surface) for i, surface in enumerate(SURFACES * 6)]
    path = save(tmp_path / "all.xml", collection(*everything))
    other = replace(
        config, in_corpus=(path,), output=str(tmp_path / "l"), resources=Resources(actors=2, cpus_per_task=1)
    )
    make_lookup(other)
    assert files(config.output) == files(other.output)
    assert len(files(other.output)) == config.ranges + 3  # two descriptions and the aliases


def test_one_is_made_anew_also_in_place_of_one_without_a_description(made, tmp_path):
    config, _ = made
    shutil.copytree(config.output, tmp_path / "l")
    (tmp_path / "l" / "raybel.json").unlink()
    (tmp_path / "l" / "range-00009.arrow").write_text("old")
    assert status(str(tmp_path / "l")).state == "finished"
    make_lookup(replace(config, output=str(tmp_path / "l")))
    assert files(tmp_path / "l") == files(config.output)
    lookup_status = status(str(tmp_path / "l"))
    assert (lookup_status.state, lookup_status.figures[0]) == ("finished", ("ranges searched", "4 of 4"))


def test_linking_with_it_is_linking_with_the_model(made, model, corpus, tmp_path):
    config, _ = made
    link(model.config(corpus, tmp_path / "model"))
    link(model.config(corpus, tmp_path / "lookup", candidates_lookup=config.output))
    names = ("state/",)  # states hold the identity of the generator
    assert outputs(tmp_path / "model", names) == outputs(tmp_path / "lookup", names)


def test_a_file_that_kills_its_readers_is_named_and_read_up_to_there(made, model, tmp_path, monkeypatch):
    def distinct_of_killed(config, item, options):
        """A reader that dies at one document, each time."""
        from raybel.corpus import chunks  # of the worker's process
        from raybel.corpus.documents import to_row

        def row(document, source, options):
            if document.id == "reader-killer":
                os._exit(1)
            return to_row(document, source, options)

        chunks.to_row = row
        yield from _distinct(config, item, options)

    config, _ = made
    save(tmp_path / "in" / "a.xml", collection(*documents("a", 6), one("reader-killer", "Anemia"), *documents("b", 6)))
    save(tmp_path / "in" / "b.xml", collection(*documents("c", 12)))
    monkeypatch.setattr(lookup_job, "_distinct", distinct_of_killed)
    resources = Resources(max_restarts=2)
    done = make_lookup(
        replace(config, in_corpus=(str(tmp_path / "in"),), output=str(tmp_path / "l"), resources=resources)
    )
    [reason] = done.failed
    assert "a.xml: its reader died 3 times, more often than --max-restarts allows, at document 7" in reason
    assert (done.mentions, done.surfaces) == (6 + 12, len(SURFACES))
    assert not (tmp_path / "l" / "readers").exists()


def test_published_form_and_absent_surfaces(made, model, tmp_path):
    config, _ = made
    path = save(tmp_path / "c" / "a.xml", collection(*documents("a", 6), one("x", "anaemia")))
    bad = save(tmp_path / "c" / "bad.xml", "<nothing/>")
    save(tmp_path / "d" / "a.xml", collection(*documents("a", 6)))
    output = str(tmp_path / "l.json.gz")
    done = make_lookup(replace(config, in_corpus=(str(tmp_path / "d"), bad), output=output))
    (reason,) = done.failed
    assert reason.startswith(f"{bad}: ")
    assert "isn't a BioC collection" in reason
    assert not (tmp_path / "l.json.gz.parts" / "config.json").exists()
    held = json.loads(gzip.decompress(Path(output).read_bytes()))
    assert list(held) == sorted(held)
    assert len(held) == len(SURFACES)
    result = link(model.config(path, tmp_path / "run", candidates_lookup=output))
    (row,) = result.counts.to_pylist()
    assert (row["mentions"], row["linked"], row["without_candidates"]) == (7, 5, 2)
    assert sum(each is None for each in LINKS.values()) == 1


def test_what_cannot_be(made, model, tmp_path):
    config, _ = made
    save(tmp_path / "other" / "thesis.doc", "mine")
    with pytest.raises(ConfigError, match="holds something other than a lookup"):
        make_lookup(replace(config, output=str(tmp_path / "other")))
    from ray_fixture import CONCEPTS, make_model

    (tmp_path / "m").mkdir()
    other = make_model(tmp_path / "m", CONCEPTS[:3])
    with pytest.raises(ConfigError, match="give fewer --actors"):
        make_lookup(replace(config, output=str(tmp_path / "l"), resources=Resources(actors=99)))
    assert not (tmp_path / "l").exists()
    with pytest.raises(MismatchError, match="another ontology"):
        make_lookup(replace(config, output=str(tmp_path / "l"), ontology=other.ontology))
    with pytest.raises(ConfigError, match="no input"):
        replace(config, in_corpus=())
    with pytest.raises(ConfigError, match="at least 1"):
        replace(config, ranges=0)


def test_what_does_not_fit_is_refused(made, model, tmp_path):
    config, _ = made
    run = {"candidates_lookup": config.output}
    with pytest.raises(ConfigError, match="10 candidates per surface, not 11"):
        link(model.config(config.in_corpus[0], tmp_path / "a", top_k=config.top_k + 1, **run))
    with pytest.raises(ConfigError, match="with expanding abbreviations"):
        link(
            model.config(
                config.in_corpus[0],
                tmp_path / "b",
                top_k=config.top_k,
                expand_abbreviations=False,
                **run,
            )
        )
    save(tmp_path / "onto" / "ontology.arrow", "mine")
    with pytest.raises(ConfigError, match="holds something other than a lookup"):
        make_lookup(replace(config, output=str(tmp_path / "onto")))
    save(tmp_path / "hub" / "config.json", '{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="something other than a lookup"):
        make_lookup(replace(config, output=str(tmp_path / "hub")))
    assert (tmp_path / "hub" / "config.json").exists()


@pytest.mark.bench
def test_a_run_directory_gives_its_surfaces(made, model, tmp_path):
    config, done = made
    link(model.config(list(config.in_corpus), tmp_path / "run"))
    from_run = make_lookup(replace(config, in_corpus=(str(tmp_path / "run"),), output=str(tmp_path / "lookup")))
    assert (from_run.surfaces, from_run.mentions, from_run.found) == (done.surfaces, done.mentions, done.found)
    assert files(tmp_path / "lookup") == files(config.output)
    mentions = MentionOptions(mention_types=("Nothing",))
    typed = replace(config, in_corpus=(str(tmp_path / "run"),), output=str(tmp_path / "typed"), mentions=mentions)
    assert make_lookup(typed).mentions == 0
    written = MentionOptions(expand_abbreviations=False)
    with pytest.raises(ConfigError, match="made with expand_abbreviations True, and False is wanted"):
        make_lookup(replace(config, in_corpus=(str(tmp_path / "run"),), mentions=written))
