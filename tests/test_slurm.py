"""The scripts for Slurm, with commands in place of Slurm's, Ray's and raybel's that write down how they were called."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import save

ROOT = Path(__file__).parent.parent
ACROSS_NODES, ARRAY = ROOT / "cluster/slurm-link.sh", ROOT / "cluster/slurm-array.sh"


def stub(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory of commands that come before all others, and of an environment to activate."""
    made = tmp_path / "bin"
    made.mkdir()
    (made / "activate").write_text("")
    return made


def variables(tools: Path, **more: str) -> dict[str, str]:
    own = {"PATH": f"{tools}:{os.environ['PATH']}", "LOG": str(tools.parent / "log"), "RAYBEL_VENV": str(tools.parent)}
    return {**os.environ, **own, **more}


@pytest.mark.parametrize("path", [ACROSS_NODES, ARRAY], ids=lambda path: path.name)
def test_scripts_are_bash(path: Path) -> None:
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("status", [0, 3])
def test_script_across_nodes_ends_with_the_jobs_status(tools: Path, status: int) -> None:
    stub(tools, "scontrol", "printf 'node1\\nnode2\\nnode3\\n'")
    stub(tools, "hostname", "echo 127.0.0.1 10.0.0.1")
    stub(tools, "ray", 'echo "ray $*" >> "$LOG"')
    stub(tools, "srun", 'echo "srun $*" >> "$LOG"; exec sleep 30')
    # As the script's own Python does, this one waits for the nodes: they start in the background.
    nodes = 'for _ in {1..1000}; do [ "$(grep -c ^srun "$LOG")" = 2 ] && break; /bin/sleep 0.01; done'
    job = f'echo "python $* at $RAY_ADDRESS" >> "$LOG"; [ "$1" = - ] || exit {status}'
    stub(tools, "python", f'[ "$1" = - ] && {{ {nodes}; }}; {job}')
    stub(tools, "sleep", 'if [ "$1" = 1 ]; then exec /bin/sleep 0.01; else exec /bin/sleep "$@"; fi')
    slurm = {
        "RAY_PORT": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "8",
    }
    arguments = ["--in-corpus", "a b", "--out-corpus", "run"]
    done = subprocess.run(
        [ACROSS_NODES, *arguments],
        env=variables(tools, **slurm),
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    lines = (tools.parent / "log").read_text().splitlines()
    assert "ray get-auth-token --generate" in lines
    head, workers = sorted((line for line in lines if line.startswith("srun")), key=lambda line: "--head" not in line)
    assert "--nodes=1 --nodelist=node1 ray start --head --node-ip-address=127.0.0.1 --port=1" in head
    assert "--nodes=2 --exclude=node1 ray start --address=127.0.0.1:1" in workers
    assert all("--num-cpus=8" in line and line.endswith("--block") for line in (head, workers))
    assert [line for line in lines if line.startswith("python")] == [
        "python - 3 at 127.0.0.1:1",
        "python jobs/link.py --in-corpus a b --out-corpus run at 127.0.0.1:1",
    ]


#: Says of which share it is, the files and what it finds around it; ends as that share is said to in ENDS.
RAYBEL = r"""
[[ "$1 $2 $4" == "link --top-k --out-corpus" ]] || exit 8
top=$3 run=$5 && shift 5
for file; do echo "$(basename "$run") $(basename "$file") $top" >> "$LOG"; done
[[ $RAY_OVERRIDE_RESOURCES == '{"CPU": 3}' && $RAY_TMPDIR == /tmp/ray-* && -z ${RAY_ADDRESS:-} ]] || exit 9
mkdir -p "$run" && touch "$run/done"
for end in $ENDS; do [[ $(basename "$run") != "${end%=*}"-* ]] || exit "${end#*=}"; done
"""


class Array:
    """A corpus of 11 files, one of them in a folder, and the tasks of arrays that link it in 7 shares, on 3 tasks."""

    def __init__(self, tools: Path) -> None:
        self.tools, self.log = tools, tools.parent / "log"
        self.corpus, self.out = tools.parent / "corpus", tools.parent / "out"
        for number in range(11):
            save(self.corpus / ("a b" if number == 4 else "") / f"{number:02d}.xml", "<collection/>")
        stub(tools, "python", f'exec {sys.executable} "$@"')
        stub(tools, "raybel", RAYBEL)

    def start(self, task: int, *arguments: str, ends: str = "", **more: str) -> subprocess.Popen[str]:
        slurm = {"SLURM_ARRAY_TASK_ID": f"{task}", "SLURM_JOB_ID": f"7{task}", "SLURM_CPUS_PER_TASK": "3"}
        own = {"RAYBEL_TASKS": "3", "RAYBEL_SHARES": "7", "ENDS": ends, "RAY_ADDRESS": "elsewhere", **slurm, **more}
        own["PYTHONPATH"] = str(ROOT)
        command = [ARRAY, *(arguments or ("--in-corpus", str(self.corpus), f"--out-corpus={self.out}", "--top-k", "5"))]
        return subprocess.Popen(
            command, env=variables(self.tools, **own), stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def ends(self, task: int, *arguments: str, **more: str) -> int:
        started = self.start(task, *arguments, **more)
        self.said = started.communicate(timeout=120)[1]
        return started.returncode

    def linked(self) -> list[list[str]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sorted(line.split(" ") for line in lines)


@pytest.fixture
def array(tools: Path) -> Array:
    return Array(tools)


def test_an_array_links_each_file_once(array: Array) -> None:
    """Also where tasks start at once, and the corpus gets another file before the array is submitted again."""
    tasks = [array.start(task) for task in range(3)]
    assert [task.wait(timeout=120) for task in tasks] == [0, 0, 0]
    first = array.linked()
    assert sorted(name for _, name, _ in first) == [f"{number:02d}.xml" for number in range(11)]
    assert {share for share, _, _ in first} == {f"{share:04d}-of-0007" for share in range(7)}
    assert {top for *_, top in first} == {"5"}
    save(array.corpus / "000.xml", "<collection/>")
    assert [array.ends(task) for task in (2, 0, 1)] == [0, 0, 0]
    assert array.linked() == first
    assert array.ends(1) == 0  # as `sbatch --array=1` has it
    assert array.linked() == [line for line in first if line[0][:4] in ("0001", "0004")]
    assert sorted(path.name for path in array.out.iterdir() if path.is_file()) == ["files.txt"]


def test_an_array_with_more_shares_than_files(array: Array) -> None:
    assert [array.ends(task, RAYBEL_SHARES="20") for task in range(3)] == [0, 0, 0]
    assert [share for share, *_ in array.linked()] == [f"{share:04d}-of-0020" for share in range(11)]


@pytest.mark.parametrize(
    ("ends", "status", "begun"),
    [
        ("0000=3", 3, 3),
        ("0000=3 0003=1", 1, 3),
        ("0000=1 0003=3", 1, 3),
        ("0000=2", 2, 1),
        ("0003=137", 137, 2),
    ],
)
def test_a_task_ends_with_the_worst_status(array: Array, ends: str, status: int, begun: int) -> None:
    """Its other shares are linked nevertheless, unless there is no use in it."""
    assert array.ends(0, ends=ends) == status
    assert len({share for share, *_ in array.linked()}) == begun


def test_a_task_that_is_told_to_end_ends_its_raybel(array: Array) -> None:
    """By Slurm, before the time is over: no further share is begun."""
    stub(array.tools, "raybel", """trap 'echo ended >> "$LOG"; exit 143' TERM; echo begun >> "$LOG"; sleep 60 & wait""")
    started = array.start(0)
    for _ in range(1000):
        if array.log.exists():
            break
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=60) == 143
    assert array.linked() == [["begun"], ["ended"]]
    os.killpg(started.pid, signal.SIGKILL)  # the sleep


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        (3, (), "task 3 of 3: --array must be 0-2"),
        (0, ("--in-corpus", "x"), "give --in-corpus and --out-corpus"),
        (0, ("--out-corpus", "x"), "give --in-corpus and --out-corpus"),
    ],
)
def test_wrong_usage_of_an_array(array: Array, task: int, arguments: tuple[str, ...], said: str) -> None:
    assert array.ends(task, *arguments) == 2
    assert said in array.said
    assert not array.linked()


def test_an_array_without_input(array: Array) -> None:
    assert array.ends(0, "--in-corpus", f"{array.corpus}/none", "--out-corpus", str(array.out)) == 1
    assert "raybel: " in array.said
    assert "no such file or directory" in array.said
    assert not list(array.out.iterdir()), "half a list would be taken for the whole one"


def test_the_array_is_of_as_many_tasks_as_the_script_counts() -> None:
    """And of no more than Slurm takes by default: MaxArraySize is 1001, and the largest number is below it."""
    text = ARRAY.read_text()
    last = int(re.search(r"^#SBATCH --array=0-(\d+)", text, re.M)[1])
    assert int(re.search(r"^tasks=\$\{RAYBEL_TASKS:-(\d+)\}", text, re.M)[1]) == last + 1
    assert last < 1001
    shares = re.search(r"^shares=\$\{RAYBEL_SHARES:-(\d+)\}", text, re.M)[1]
    assert set(re.findall(r"-of-(\d+)|every (\d+)th", text)) == {(shares, ""), ("", shares)}
