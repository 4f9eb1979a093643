"""What surrounds the package: pinned versions, the published zoo, the documents' examples."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nem2e_tf

CHECKOUT = Path(__file__).resolve().parents[2]
TESTED = "NEM2E_TESTED_PACKAGE"


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(TESTED not in os.environ, reason="only tools/test installs the wheel")
def test_the_installed_package_is_tested():
    assert Path(nem2e_tf.__file__).is_relative_to(os.environ[TESTED])


def test_constraints_are_within_what_setup_cfg_allows():
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    text = settings["options"]["install_requires"]
    for extra in ("test", "lint", "docs"):
        text += settings["options.extras_require"][extra]
    requirements = [Requirement(line) for line in text.splitlines() if line]
    assert len(requirements) > 12
    for requirement in requirements:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), (
            requirement
        )


def zoo_check(folder):
    """Check a copy of the published zoo, as ``tools/regenerate_zoo --check`` does."""
    code = "import sys, pathlib, zoo_table; print(zoo_table.check(pathlib.Path(sys.argv[1])))"
    done = run("-c", code, folder, cwd=folder, PYTHONPATH=str(CHECKOUT / "tools"))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_published_zoo_agrees_with_its_results(tmp_path):
    done = run(CHECKOUT / "tools" / "zoo_results.py", "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "zoo/README.md agrees with zoo/results\n")


def test_zoo_check_sees_a_changed_table_and_a_changed_result(tmp_path):
    zoo = shutil.copytree(CHECKOUT / "zoo", tmp_path / "zoo")
    assert zoo_check(zoo) == "[]"
    readme = (zoo / "README.md").read_text()
    (zoo / "README.md").write_text(
        readme.replace("<!-- end of results", "+0.9\n<!-- end of results")
    )
    assert "README.md does not agree" in zoo_check(zoo)
    (zoo / "README.md").write_text(readme)
    results = zoo / "results" / "summary.csv"
    results.parent.mkdir(exist_ok=True)
    before = results.read_text() if results.exists() else ""
    results.write_text(before + "walk,opensim\n")
    assert "summary.csv does not agree" in zoo_check(zoo)


def test_refiner_of_contributing_works(tmp_path):
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    assert len([line for line in example.splitlines() if line and '"""' not in line]) <= 13
    use = """
from nem2e_tf.zoo import create
model = create("pointwise", n_samples=20, n_channels=3, n_targets=2, counterparts=[[0], [1, 2]])
print(model.output_shape)
"""
    (tmp_path / "example.py").write_text(example + use)
    done = run("example.py", cwd=tmp_path)
    assert done.stdout.strip().endswith("(None, 20, 2)"), done.stderr


def test_every_file_that_the_documents_link_to_is_there():
    for document in ("README.md", "CONTRIBUTING.md", "zoo/README.md", "export/README.md"):
        path = CHECKOUT / document
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{document}: {target}"
