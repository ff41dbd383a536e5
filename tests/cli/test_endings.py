"""A command that is stopped: what it says, and its exit status."""

import signal
import subprocess
import sys

import pytest

#: A command line whose one command says that it runs, and is stopped where a real one may be: in an import, in a job.
SCRIPT = """
import sys, time
from raybel import cli
from raybel.cli import endings, main

def wait():
    print("runs", flush=True)
    time.sleep(60)

def swallowing():
    try:
        wait()
    except KeyboardInterrupt:
        raise ImportError("numpy.core.multiarray failed to import") from None

def asking():
    from raybel.cli.progress import show_progress
    with show_progress(str, "with what is missing"):
        wait()

main.callback = None
place = {"import": wait, "job": asking, "swallowed": swallowing}[sys.argv[1]]
cli.Pipeline.get_command = lambda self, context, name: place()
cli.run(["link"])
"""


def stopped(place, number):
    command = [sys.executable, "-c", SCRIPT, place]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell's background jobs ignore Ctrl-C.
    with subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes) as process:
        try:
            assert process.stdout.readline() == "runs\n"
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, errors.splitlines()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped(number, status):
    assert stopped("import", number) == (status, ["stopped"])
    assert stopped("job", number) == (status, ["stopped; the same command goes on with what is missing"])
    assert stopped("swallowed", number) == (status, [])


def test_what_is_ignored_stays_ignored():
    script = (
        "import os, signal; from raybel.cli import endings; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "endings.take_signals(); os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
