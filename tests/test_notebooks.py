"""Notebooks made of guides."""

import re

import pytest
from scripts import ROOT
from scripts import load_script

pytestmark = pytest.mark.any_backend

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
make_notebooks = load_script("guides/make_notebooks.py")

HEADER = '''"""
Title: Ask
Author: Somebody
Date created: 2026/01/02
Last modified: 2026/01/03
Description: How to ask.
Accelerator: None
"""
'''


def cells_of(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.fixture
def write_guide(tmp_path):
    def write(body, header=HEADER):
        path = tmp_path / "ask.py"
        path.write_text(header + body)
        return path

    return write


class TestConvert:
    def test_strings_are_markdown_and_the_rest_is_code(self, write_guide):
        path = write_guide(
            '\n"""\n## First\n\nSome *text*.\n"""\n\nx = 1\n\n\n'
            'def f():\n    """Documented."""\n    return x\n\n'
            '\n"""\n## Second\n"""\n# A comment\nf()\n'
        )
        notebook = make_notebooks.convert(path)
        nbformat.validate(notebook)
        assert cells_of(notebook) == [
            (
                "markdown",
                "# Ask\n\n**Author:** Somebody<br>\n"
                "**Date created:** 2026/01/02<br>\n"
                "**Last modified:** 2026/01/03<br>\n"
                "**Description:** How to ask.\n\n"
                "[This guide as a script](../ask.py)",
            ),
            ("markdown", "## First\n\nSome *text*."),
            (
                "code",
                'x = 1\n\n\ndef f():\n    """Documented."""\n    return x',
            ),
            ("markdown", "## Second"),
            ("code", "# A comment\nf()"),
        ]
        ids = [cell.id for cell in notebook.cells]
        assert ids == [f"cell-{number}" for number in range(1, 6)]

    def test_strings_inside_code_remain_there(self, write_guide):
        code = 'text = """\n"""\nprint(\n    """\n## Not a heading\n"""\n)'
        path = write_guide(f'\n"""\nText.\n"""\n{code}\n')
        assert cells_of(make_notebooks.convert(path))[2:] == [("code", code)]

    def test_code_may_follow_the_header_and_markdown_end_it(self, write_guide):
        path = write_guide('\nx = 1\n\n"""\nThe end.\n"""\n')
        assert cells_of(make_notebooks.convert(path))[1:] == [
            ("code", "x = 1"),
            ("markdown", "The end."),
        ]

    def test_a_comment_may_stand_behind_a_string(self, write_guide):
        header = HEADER.rstrip() + "  # noqa: E501\n"
        path = write_guide('"""\nText.\n"""  # noqa\nx = 1\n', header)
        assert cells_of(make_notebooks.convert(path))[1:] == [
            ("markdown", "Text."),
            ("code", "x = 1"),
        ]

    def test_raw_strings_keep_their_backslashes(self, write_guide):
        path = write_guide('\nr"""\n$\\frac{1}{2}$\n"""\n')
        assert cells_of(make_notebooks.convert(path))[1:] == [
            ("markdown", "$\\frac{1}{2}$")
        ]

    @pytest.mark.parametrize(
        ("header", "body", "message"),
        [
            ("import os\n", '"""\nText.\n"""\n', "must begin with a docstring"),
            ("", "x = 1\n", "must begin with a docstring"),
            ('"""\nTitle: Ask\n"""\n', "", "`Author:`, `Date created:`"),
            (HEADER, 'x = 1; """Text."""\n', "line 9.*lines to itself"),
        ],
    )
    def test_what_is_no_guide_is_refused(
        self, write_guide, header, body, message
    ):
        path = write_guide(body, header)
        with pytest.raises(make_notebooks.GuideError, match=message):
            make_notebooks.convert(path)


class TestRun:
    def test_outputs_are_those_of_a_run_from_the_root(
        self, write_guide, capfd, monkeypatch
    ):
        monkeypatch.setenv("MPLBACKEND", "agg")
        path = write_guide(
            "import os\nprint(os.path.exists('guides/make_notebooks.py'))\n"
            "print(os.environ['FAST_GUIDES'])\n"
            "os.write(2, b'from C++')\n"
            '"""\nA bar.\n"""\n'
            "import sys\n"
            "for i in range(3):\n"
            "    print('\\b' * 9 + f'\\r\\x1b[1m{i}/2\\x1b[0m', end='')\n"
            "    print('a warning', file=sys.stderr)\n"
            "print()\n"
            '"""\nA picture.\n"""\n'
            "import matplotlib.pyplot as plt\n"
            "figure, axes = plt.subplots()\nfigure\n"
        )
        notebook = make_notebooks.convert(path)
        make_notebooks.run(notebook, fast=True)
        nbformat.validate(notebook)
        first, bar, picture = (
            cell.outputs for cell in notebook.cells if cell.cell_type == "code"
        )
        assert [output.get("text") for output in first] == ["True\n1\n", None]
        assert first[1].data == {"text/plain": "8"}
        assert [(output.name, output.text) for output in bar] == [
            ("stdout", "2/2\n"),
            ("stderr", "a warning\n" * 3),
        ]
        # Once, though it is both open and the value of its cell.
        assert [sorted(output.data) for output in picture] == [
            ["image/png", "text/plain"]
        ]
        assert all(cell.metadata == {} for cell in notebook.cells)
        assert notebook.metadata == make_notebooks.METADATA

    def test_an_error_stops_it_and_is_told(self, write_guide):
        path = write_guide('1 / 0\n"""\nText.\n"""\nprint("not reached")\n')
        notebook = make_notebooks.convert(path)
        with pytest.raises(
            make_notebooks.GuideError, match="ZeroDivisionError"
        ):
            make_notebooks.run(notebook)

    def test_a_figure_that_jupyter_would_not_show_is_an_error(
        self, write_guide
    ):
        path = write_guide(
            "from matplotlib.figure import Figure\nFigure(figsize=(2, 2))\n"
        )
        notebook = make_notebooks.convert(path)
        with pytest.raises(make_notebooks.GuideError, match="pyplot"):
            make_notebooks.run(notebook)


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        ("1/3\b\b\b\r2/3\n", "2/3\n"),
        ("a longer line\rshort \n", "short er line\n"),
        ("loss: 0.25\b\b\b\b0.5 \n", "loss: 0.5\n"),
        ("\x1b[1m3/3\x1b[0m \x1b[32m━━\x1b[0m\n", "3/3 ━━\n"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_text_is_kept_as_it_is_seen_in_the_end(printed, seen):
    assert make_notebooks.plain(printed) == seen


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (f"{ROOT}/build/clip.png", "a path of this machine"),
        ("<object at 0x7f3a5c0d1e50>", "an address in memory"),
        ("." * 1_600_000, "takes 1,600,000 bytes"),
    ],
)
def test_what_belongs_to_one_machine_or_is_too_large_is_refused(shown, message):
    make_notebooks.check("build/clip.png", "ask.py")
    with pytest.raises(make_notebooks.GuideError, match=message):
        make_notebooks.check(shown, "ask.py")


GUIDES = [path.stem for path in make_notebooks.guides()]


def test_there_are_guides():
    assert "quickstart" in GUIDES
    assert "make_notebooks" not in GUIDES


def test_notebooks_are_those_of_guides():
    notebooks = {path.stem for path in make_notebooks.NOTEBOOKS.glob("*")}
    assert notebooks == set(GUIDES)


@pytest.mark.parametrize("name", GUIDES)
class TestNotebook:
    @pytest.fixture
    def path(self, name):
        return make_notebooks.NOTEBOOKS / f"{name}.ipynb"

    def test_is_what_the_guide_converts_to(self, name, path):
        guide = make_notebooks.convert(make_notebooks.GUIDES / f"{name}.py")
        notebook = nbformat.read(path, as_version=4)
        assert cells_of(notebook) == cells_of(guide), (
            f'run `make notebooks ARGS="{name}"`'
        )
        assert notebook.metadata == make_notebooks.METADATA

    def test_was_run_from_top_to_bottom_without_an_error(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
        counts = [cell.execution_count for cell in codes]
        assert counts == list(range(1, len(codes) + 1))
        outputs = [output for cell in codes for output in cell.outputs]
        assert any("image/png" in out.get("data", {}) for out in outputs)
        assert not [out for out in outputs if out.output_type == "error"]

    def test_shows_nothing_of_one_machine_and_is_small(self, name, path):
        text = path.read_text(encoding="utf-8")
        make_notebooks.check(text, name)
        # Nor of the one that it was made on.
        assert not re.search(r"\B/(home|Users|root)/\w", text)
