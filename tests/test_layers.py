import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import raybel

HOME = Path(raybel.__file__).parent
#: The layers, from the top down, as CONTRIBUTING.md lists them.
LAYERS = re.findall(
    r"^(\w+) ", (HOME.parent / "CONTRIBUTING.md").read_text().split("```layers\n")[1].split("```")[0], re.M
)
LEVEL = {layer: level for level, layer in enumerate(reversed(LAYERS))}
FILES = {".".join(path.relative_to(HOME).with_suffix("").parts): path for path in sorted(HOME.rglob("*.py"))}
MODULES = {name: path for name, path in FILES.items() if name not in ("__init__", "__main__")}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
MOST_LINES = 320


def layer_of(module: str) -> str:
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


def test_every_layer_is_listed_once():
    assert len(LAYERS) == len(set(LAYERS))
    assert {layer_of(module) for module in MODULES} == set(LAYERS)


def test_no_package_hides_a_public_function():
    assert not set(raybel.__all__) & set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    for other in own(module):
        assert LEVEL[layer_of(other)] <= LEVEL[layer_of(module)], f"{module} imports {other}"


@pytest.mark.parametrize("module", MODULES)
def test_ray_is_imported_by_the_jobs_only(module):
    if any(layer_of(name) == "ray" for name in imported(TREES[module])):
        assert LEVEL[layer_of(module)] >= LEVEL["jobs"]


def test_no_cycles():
    TopologicalSorter({module: own(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_hides_no_error(module):
    text = MODULES[module].read_text()
    assert text.count("\n") <= MOST_LINES
    assert not {name for name in imported(TREES[module]) if layer_of(name) in ("pickle", "cloudpickle", "joblib")}
    assert "allow_pickle=True" not in text
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{module}:{node.lineno}: bare except"
            assert not all(isinstance(each, ast.Pass) for each in node.body), f"{module}:{node.lineno}: except: pass"
