"""What holds for the repository as a whole."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import small_benchmarks
import small_parts
from packaging.requirements import Requirement

import keras_mirasol

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_mirasol"
NAMESPACES = [name for name in keras_mirasol.__all__ if name[0] != "_"]
# What each part of the package may import of it.
MAY_IMPORT = {
    "layers": {"layers"},
    "losses": {"losses"},
    "metrics": {"metrics"},
    "preprocessing": {"preprocessing"},
    "data": {"data", "preprocessing"},
    "models": {
        "data",
        "keras_compat",
        "layers",
        "losses",
        "metrics",
        "models",
        "preprocessing",
    },
    # And no more of these than is public; see below.
    "evaluation": {*NAMESPACES},
    "visualization": {*NAMESPACES},
    "app": {*NAMESPACES, "app", "stream"},
}
# Commands, not namespaces.
COMMANDS = {"app"}
OF_WHAT_IS_PUBLIC = ("evaluation", "visualization", "app")
BACKENDS = {"jax", "jaxlib", "tensorflow", "tensorflow_text", "torch"}


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_code_is_in_style(command):
    pytest.importorskip("ruff")
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_all_that_is_public_is_documented_with_an_example(namespace):
    module = importlib.import_module(f"keras_mirasol.{namespace}")
    names = dict(public_names(module))
    undocumented = [name for name in names if not inspect.getdoc(names[name])]
    assert not undocumented
    # A class's own docstring, not what it inherits.
    examples = {
        name: code_blocks(value.__doc__)
        for name, value in names.items()
        if inspect.isclass(value) or inspect.isfunction(value)
    }
    assert examples
    without_example = [name for name in examples if not examples[name]]
    assert not without_example
    for name, codes in examples.items():
        for code in codes:
            compile(code, f"the example of {name}", "exec")


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_one_way(part):
    for file, imported in package_imports(part):
        allowed = MAY_IMPORT[part] | {"version"}
        if part in OF_WHAT_IS_PUBLIC:
            allowed = allowed | {""}  # `import keras_mirasol` itself.
        assert imported.partition(".")[0] in allowed, (
            f"{file} imports keras_mirasol.{imported}"
        )


def test_every_part_of_the_package_has_its_imports_checked():
    parts = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE
    }
    assert parts == set(MAY_IMPORT) == set(NAMESPACES) | COMMANDS


@pytest.mark.parametrize("part", OF_WHAT_IS_PUBLIC)
def test_what_looks_from_outside_uses_the_public_api_alone(part):
    for file, imported in package_imports(part):
        namespace, _, name = imported.partition(".")
        if namespace in ("", "stream", part) or not name:
            continue
        module = importlib.import_module(f"keras_mirasol.{namespace}")
        assert name in module.__all__, (
            f"{file} imports keras_mirasol.{imported}"
        )


# What replicas say to each other, and what a compiler makes of a loop, are
# matters of the backend.
OF_BACKENDS = {
    PACKAGE / "models/compiled_function.py",
    PACKAGE / "models/replicas.py",
    PACKAGE / "layers/recurrence.py",
}


@pytest.mark.parametrize("part", ["layers", "losses", "metrics", "models"])
def test_no_backend_is_imported_where_keras_ops_suffice(part):
    roots = {
        (file.name, name.partition(".")[0])
        for file in (PACKAGE / part).rglob("*.py")
        if file not in OF_BACKENDS
        for name in imports(file)
    }
    assert any(root == "keras_mirasol" for _, root in roots)
    assert not [pair for pair in roots if pair[1] in BACKENDS]


def test_importing_the_package_is_light():
    heavy = ["keras", "keras_hub", "av", *sorted(BACKENDS)]
    code = (
        "import sys, keras_mirasol; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"


def test_constraints_lie_within_the_ranges_of_the_project():
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[name] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = project["dependencies"] + sum(
        project["optional-dependencies"].values(), []
    )
    for requirement in map(Requirement, required):
        if requirement.name != project["name"]:
            assert requirement.specifier.contains(pins[requirement.name])


# Nothing is downloaded.
STAND_INS = f"""
from keras_hub.src.utils import preset_utils

for name, folder in {small_parts.STAND_INS}.items():
    preset_utils.BUILTIN_PRESETS[name] = {{"kaggle_handle": folder}}
"""


class TestReadme:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_code_names_what_exists(self):
        blocks = code_blocks(self.text)
        assert blocks
        for block in blocks:
            compile(block, "README.md", "exec")
        names = re.findall(r"\bkeras_mirasol((?:\.\w+)+)", "\n".join(blocks))
        assert names
        for name in names:
            value = keras_mirasol
            for attribute in name[1:].split("."):
                value = getattr(value, attribute)

    def test_links_and_commands_lead_somewhere(self):
        links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", self.text)
        assert links
        for link in links:
            assert (ROOT / link).exists(), f"README.md links to {link}"
        commands = re.findall(r"^make (\w+)", self.text, re.MULTILINE)
        targets = re.findall(
            r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
        assert {"demo", "test"} <= set(commands) <= set(targets)

    def test_presets_are_those_that_ship(self):
        presets = keras_mirasol.models.MirasolBackbone.presets
        named = re.findall(r"^\| `(mirasol_\w+)`", self.text, re.MULTILINE)
        assert sorted(named) == sorted(presets)

    def test_code_runs_as_it_stands(self, tmp_path):
        corpus = keras_mirasol.data.sounding_shapes.write_corpus(
            tmp_path,
            2,
            kinds=[*keras_mirasol.data.sounding_shapes.KINDS, "moment"],
            questions_per_kind=1,
        )
        for split in ("train", "valid", "test"):
            (tmp_path / f"{split}.jsonl").write_text(corpus.read_text())
        clip = tmp_path / "media" / "000000.mp4"
        (tmp_path / "dog.mp4").write_bytes(clip.read_bytes())
        small_parts.save_presets(tmp_path)
        small_benchmarks.write_next_qa(tmp_path / "nextqa", ["000000"])
        (tmp_path / "media").rename(tmp_path / "videos")
        (tmp_path / "media").symlink_to("videos")
        script = tmp_path / "readme.py"
        script.write_text("\n".join([STAND_INS, *code_blocks(self.text)]))
        run_python(script, cwd=tmp_path)
        assert (tmp_path / "mine" / "config.json").exists()


def public_names(module):
    """Qualified names and values of what a namespace offers."""
    yield module.__name__, module
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from public_names(value)
        elif callable(value):
            yield f"{module.__name__}.{name}", value


def code_blocks(text):
    """The Python code in a docstring or in Markdown."""
    blocks = re.findall(
        r"^ *```python\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL
    )
    return [textwrap.dedent(block) for block in blocks]


def imports(file):
    """Full names of what a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_imports(part):
    """Files of a part, with what each imports of the package."""
    found = [
        (file.relative_to(ROOT), name.removeprefix("keras_mirasol").lstrip("."))
        for file in (PACKAGE / part).rglob("*.py")
        for name in imports(file)
        if name.partition(".")[0] == "keras_mirasol"
    ]
    assert found
    return found


def run_python(*arguments, cwd=ROOT):
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result
