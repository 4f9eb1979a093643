"""Who may import whom: nothing imports upward, and the light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nem2e_tf

ROOT = Path(nem2e_tf.__file__).parent

# From the ground floor to the roof; a part may import those that are named with it.
MAY_IMPORT = {
    "errors": (),
    "quiet": (),
    "files": ("errors",),
    "folders": ("errors", "files"),
    "composition": ("errors",),
    "storage_numbers": ("errors",),
    "storage_text": ("errors", "storage_numbers"),
    "storage": ("errors", "files", "storage_numbers", "storage_text"),
    "muscles": ("errors",),
    "emg": ("errors",),
    "gait": ("errors",),
    "cycle_bounds": ("errors", "gait", "storage"),
    "channel_order": ("errors", "muscles"),
    "cohort": ("errors", "files"),
    "trc": ("errors", "files", "storage_numbers"),
    "checks": ("errors", "files", "storage", "muscles", "gait", "cohort"),
    "importers": (
        *("errors", "files", "storage", "muscles", "emg", "gait", "cycle_bounds", "cohort"),
        *("trc", "checks"),
    ),
    "markers": ("errors", "trc", "importers"),
    "simulate": ("errors", "files", "folders", "storage", "trc"),
    "myolegs": ("errors", "storage", "muscles", "emg"),
    "thinning": ("errors", "composition", "cohort"),
    "patterns": ("errors", "composition", "cohort", "thinning"),
    "zoo": ("errors",),
    "evaluation": ("errors", "files"),
    "refiner_info": ("errors", "files", "composition"),
    "refiner": (
        *("errors", "files", "folders", "composition", "channel_order", "refiner_info", "zoo"),
    ),
    "training": (
        *("errors", "files", "composition", "cohort", "thinning", "patterns", "zoo"),
        "evaluation",
        *("refiner", "refiner_info", "quiet"),
    ),
    "refining": (
        *("errors", "files", "storage", "muscles", "gait", "cycle_bounds", "channel_order"),
        "composition",
    ),
    "export": (
        *("errors", "files", "folders", "composition", "refiner", "refiner_info", "zoo"),
        *("channel_order", "quiet"),
    ),
    "controls": (
        *("errors", "files", "folders", "composition", "cohort", "thinning", "zoo", "evaluation"),
        *("refiner", "refiner_info", "training"),
    ),
    "report": ("errors", "evaluation"),
}

HEAVY = ("tensorflow", "keras", "ai_edge_litert", "matplotlib", "sklearn", "statsmodels")
# Importing these must not load what is heavy, nor pandas where a device runs them.
LIGHT = (
    *("errors", "files", "folders", "composition", "storage_text", "storage", "muscles", "emg"),
    *("gait", "cycle_bounds", "channel_order", "cohort", "importers", "thinning", "patterns"),
    *("trc", "checks", "storage_numbers", "markers", "myolegs"),
    "evaluation",
    *("refiner_info", "refiner", "refining", "report", "simulate", "cli"),
    *("export.runtime", "export.metadata"),
)
WITHOUT_PANDAS = (
    *("errors", "files", "folders", "composition", "storage_numbers", "storage_text", "storage"),
    *("muscles", "gait", "cycle_bounds", "channel_order", "refiner_info", "refining"),
    *("export.runtime", "simulate", "myolegs", "cli"),
)


def modules():
    """Every module of the package, by dotted name below it."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            found[name] = path
    return found


def imports(path, *, top_level_only=False):
    """Absolute names that a module imports; those for type checkers alone do not count."""
    waiting, found = [ast.parse(path.read_text(encoding="utf-8"))], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and top_level_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        waiting += ast.iter_child_nodes(node)
    return found


def part_of(name):
    return name.split(".")[0]


def within(name, parts):
    return any(name == part or name.startswith(f"{part}.") for part in parts)


MODULES = modules()


def test_every_part_has_its_place():
    parts = {part_of(name) for name in MODULES}
    assert parts - {"cli"} == set(MAY_IMPORT)


def test_the_order_has_no_circle():
    floors = list(MAY_IMPORT)
    for number, part in enumerate(floors):
        above = [other for other in MAY_IMPORT[part] if floors.index(other) >= number]
        assert not above, f"{part} may import {above}, which stands above it"


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) != "cli"])
def test_nothing_imports_upward(name):
    allowed = {part_of(name), *MAY_IMPORT[part_of(name)]}
    for imported in imports(MODULES[name]):
        package, _, rest = imported.partition(".")
        if package == "nem2e_tf" and rest and rest != "__version__":
            assert part_of(rest) in allowed, f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, LIGHT)])
def test_light_modules_import_nothing_heavy_at_their_top(name):
    heavy = {part_of(n) for n in imports(MODULES[name], top_level_only=True)} & set(HEAVY)
    if within(name, ("evaluation",)):
        heavy -= {"statsmodels"}
    assert not heavy, f"{name} imports {heavy}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, WITHOUT_PANDAS)])
def test_what_runs_on_a_device_needs_no_pandas(name):
    assert "pandas" not in map(part_of, imports(MODULES[name], top_level_only=True))


@pytest.mark.parametrize(
    "name", [n for n in MODULES if within(n, ("cohort", "thinning", "patterns", "emg"))]
)
def test_data_knows_no_tensorflow_at_all(name):
    assert not {part_of(n) for n in imports(MODULES[name])} & {"tensorflow", "keras"}


def test_evaluation_knows_no_tensorflow_at_all():
    for name in MODULES:
        if within(name, ("evaluation", "report", "storage", "muscles", "gait", "export.runtime")):
            assert not {part_of(n) for n in imports(MODULES[name])} & {"tensorflow", "keras"}, name


def test_loaded_together_the_light_parts_bring_nothing_heavy():
    """Also not through somebody else's module: asked of a fresh interpreter."""
    names = [name for name in MODULES if within(name, WITHOUT_PANDAS)]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n    importlib.import_module('nem2e_tf.' + name)\n"
        f"print([n for n in {(*HEAVY, 'pandas', 'scipy')!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
