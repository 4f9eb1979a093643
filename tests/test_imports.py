"""Who may import whom: downward only, without circles, and the light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nem2e_tf

ROOT = Path(nem2e_tf.__file__).parent

# From the bottom to the top; a room may import those that are named with it.
DATA = ("errors", "names", "muscles", "io", "signals", "cohorts")
MAY_IMPORT = {
    "errors": (),
    "names": (),
    "muscles": ("errors",),
    "io": ("errors",),
    "signals": ("errors", "io"),
    "cohorts": ("errors", "names", "muscles", "io", "signals"),
    "zoo": ("errors", "names"),
    "evaluation": ("errors", "names", "io"),
    "refiners": ("errors", "names", "muscles", "io", "signals", "zoo"),
    "training": (*DATA, "zoo", "evaluation", "refiners"),
    "export": ("errors", "names", "io", "zoo", "refiners"),
    "controls": (*DATA, "zoo", "evaluation", "refiners", "training"),
    "report": (*DATA, "evaluation", "training", "controls"),
    "simulate": ("errors", "names", "muscles", "io", "signals"),
}
# The one file that puts simulation and refining together also draws and checks.
ESTIMATE = (*DATA, "refiners", "export", "report", "simulate")
FRONT = ("front", "cli")

HEAVY = ("tensorflow", "keras", "ai_edge_litert", "matplotlib", "sklearn", "statsmodels")
# Importing these must not load what is heavy, nor pandas where a device runs them.
LIGHT = (
    *("errors", "names", "muscles", "io", "signals", "cohorts", "evaluation", "refiners"),
    *("report", "simulate", "cli"),
    *("export.runtime.load", "export.file.metadata"),
)
WITHOUT_PANDAS = (
    *("errors", "names", "muscles", "io", "signals.gait", "refiners"),
    *("export.runtime.load", "simulate.opensim", "simulate.mujoco", "cli"),
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


def room_of(name):
    return name.split(".")[0]


def within(name, parts):
    return any(name == part or name.startswith(f"{part}.") for part in parts)


MODULES = modules()


def modules_imported(name):
    """The modules of ours that a module imports, those within functions included."""
    found = set()
    for imported in imports(MODULES[name]):
        package, _, rest = imported.partition(".")
        if package != "nem2e_tf" or not rest or rest == "__version__":
            continue
        found.add(rest if rest in MODULES else rest.rpartition(".")[0])
    return found - {name}


def test_every_room_has_its_place():
    rooms = {room_of(name) for name in MODULES}
    assert rooms - set(FRONT) == set(MAY_IMPORT) & rooms


def test_the_order_has_no_circle():
    order = list(MAY_IMPORT)
    for number, room in enumerate(order):
        above = [other for other in MAY_IMPORT[room] if order.index(other) >= number]
        assert not above, f"{room} may import {above}, which stands above it"


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) not in FRONT])
def test_nothing_imports_upward(name):
    may = ESTIMATE if name == "simulate.estimate" else MAY_IMPORT[room_of(name)]
    for imported in modules_imported(name):
        assert room_of(imported) in {room_of(name), *may}, f"{name} imports {imported}"


def test_no_files_import_each_other_in_a_circle():
    """Also inside a room, and also by imports within functions."""
    below = {name: modules_imported(name) for name in MODULES}
    while True:
        free = [name for name, imported in below.items() if not imported & set(below)]
        if not free:
            break
        for name in free:
            del below[name]
    assert not below, f"in circles, or above one: {sorted(below)}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, LIGHT)])
def test_light_modules_import_nothing_heavy_at_their_top(name):
    heavy = {room_of(n) for n in imports(MODULES[name], top_level_only=True)} & set(HEAVY)
    if within(name, ("evaluation",)):
        heavy -= {"statsmodels"}
    assert not heavy, f"{name} imports {heavy}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, WITHOUT_PANDAS)])
def test_what_runs_on_a_device_needs_no_pandas(name):
    assert "pandas" not in map(room_of, imports(MODULES[name], top_level_only=True))


@pytest.mark.parametrize("name", [n for n in MODULES if within(n, ("cohorts", "signals", "io"))])
def test_data_knows_no_tensorflow_at_all(name):
    assert not {room_of(n) for n in imports(MODULES[name])} & {"tensorflow", "keras"}


def test_evaluation_knows_no_tensorflow_at_all():
    for name in MODULES:
        if within(
            name, ("evaluation", "report", "io", "muscles", "signals", "export.runtime.load")
        ):
            assert not {room_of(n) for n in imports(MODULES[name])} & {"tensorflow", "keras"}, name


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
