import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import raybel

HOME = Path(raybel.__file__).parent
LAYERS = (
    ("schemas", "errors", "text", "abbreviations", "storage", "locks", "report"),
    ("ontology", "bioc", "bioc_xml", "bioc_json", "corpus", "config", "artefacts", "attempts"),
    ("prepare", "candidates", "rerank", "tuning", "linking", "shards", "metrics", "policy", "predictions"),
    ("jobs",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = {".".join(path.relative_to(HOME).with_suffix("").parts): path for path in sorted(HOME.rglob("*.py"))}
MODULES = {name: path for name, path in FILES.items() if name != "__init__"}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
MOST_LINES = 320
#: More than the limit because they hold tables of words.
LONGER = {"abbreviations": 400}


def top(module: str) -> str:
    return module.split(".")[0]


def imported(tree: ast.AST) -> set[str]:
    """Every absolute name that a module imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(module: str) -> set[str]:
    """The raybel modules that a module imports."""
    found = set()
    for name in imported(TREES[module]):
        parts = name.split(".")
        if parts[0] == "raybel":
            path = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            hit = next((p for p in path if p in MODULES or f"{p}.__init__" in MODULES), None)
            assert hit is not None, f"{module} imports {name}, which isn't there"
            found.add(hit if hit in MODULES else f"{hit}.__init__")
    return found - {module}


def test_every_module_is_in_one_layer():
    listed = [name for names in LAYERS for name in names]
    assert len(listed) == len(set(listed))
    assert {top(module) for module in MODULES} <= set(listed)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    for other in own(module):
        assert LEVEL[top(other)] <= LEVEL[top(module)], f"{module} imports {other}"
    if "report" in {top(other) for other in own(module)}:
        assert top(module) == "cli"


@pytest.mark.parametrize("module", MODULES)
def test_ray_is_imported_from_layer_three_up_only(module):
    if any(top(name) == "ray" for name in imported(TREES[module])):
        assert LEVEL[top(module)] >= 3


def test_no_cycles():
    TopologicalSorter({module: own(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_hides_no_error(module):
    text = MODULES[module].read_text()
    assert text.count("\n") <= LONGER.get(module, MOST_LINES)
    assert not {name for name in imported(TREES[module]) if top(name) in ("pickle", "cloudpickle", "joblib")}
    assert "allow_pickle=True" not in text
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{module}:{node.lineno}: bare except"
            assert not all(isinstance(each, ast.Pass) for each in node.body), f"{module}:{node.lineno}: except: pass"
