"""What a person sees of a link job that fails in a worker, or is stopped: our lines, none of Ray's."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from ray_fixture import RAYBEL, clean_environment, command, corpus_of


def wait_for(process, found):
    end = time.monotonic() + 200
    while not found() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def arguments(model, home: Path, *further):
    inputs = ["--in-corpus", corpus_of(home / "corpus", 2, 30), "--ontology", model.ontology]
    return ["link", *inputs, "--ngrams-model", model.ngrams, "--out-corpus", home / "run", *further]


@pytest.mark.bench
def test_an_error_in_a_worker_is_one_line(model, tmp_path):
    run = tmp_path / "run"
    with command(*arguments(model, tmp_path)) as process:
        wait_for(process, (run / "manifest.json").exists)
        (run / "parts").write_text("in the way of what workers write")
        output, _ = process.communicate(timeout=200)
    (line,) = (each for each in output.splitlines() if each.strip() and not each.startswith("link: "))
    assert process.returncode == 1
    assert line.startswith(f"raybel: {run}/parts/")
    assert line.endswith("can't be written: Not a directory")


@pytest.mark.bench
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_job_that_is_stopped_says_how_it_goes_on(model, tmp_path, number, status):
    run = tmp_path / "run"
    with command(*arguments(model, tmp_path, "--chunk-documents", 1)) as process:
        wait_for(process, lambda: list(run.glob("parts/*/*/*.arrow")))
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does, to all processes in its foreground
        else:
            process.send_signal(number)
        output, _ = process.communicate(timeout=200)
    lines = [each for each in output.splitlines() if each.strip() and not each.startswith("link: ")]
    assert (process.returncode, lines) == (status, ["stopped; the same command goes on from here"])


@pytest.mark.bench
def test_a_head_that_is_killed_is_one_line(model, tmp_path):
    run = tmp_path / "run"
    with command(*arguments(model, tmp_path, "--chunk-documents", 1)) as process:
        wait_for(process, lambda: list(run.glob("parts/*/*/*.arrow")))
        (head,) = (each for each in psutil.Process(process.pid).children() if each.name() == "gcs_server")
        head.kill()
        output, _ = process.communicate(timeout=200)
    (line,) = (each for each in output.splitlines() if each.strip() and not each.startswith("link: "))
    assert process.returncode == 1
    assert line.startswith("raybel: the head of the Ray cluster (127.0.0.1:")
    assert "start the same command again" in line


@pytest.mark.bench
def test_a_stop_while_ray_starts(model, tmp_path):
    with command(*arguments(model, tmp_path)) as process:
        ray = psutil.Process(process.pid)
        wait_for(process, lambda: any(each.name() == "gcs_server" for each in ray.children()))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=200)
    assert (process.returncode, output.splitlines()) == (143, ["stopped; the same command goes on from here"])


@pytest.mark.bench
def test_lines_of_json_alone(model, tmp_path):
    """With a file that can't be read, and all that a debugging person asks for: nothing else is on standard error."""
    given = list(map(str, arguments(model, tmp_path)))
    (tmp_path / "corpus" / "broken.xml").write_text("<collection><document>")
    done = subprocess.run(
        [RAYBEL, "--debug", "--log-format", "json", *given],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "documents/s" in done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line.get("run") for line in lines} == {f"{tmp_path.name}/run"}
    messages = [line["message"] for line in lines]
    assert any(message.startswith("link: files ") for message in messages)
    assert [line["level"] for line in lines if line["message"].startswith("not read: ")] == ["error"]
