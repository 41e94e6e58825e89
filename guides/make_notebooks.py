"""Makes notebooks of the guides, and runs them.

    python guides/make_notebooks.py                    # all guides
    python guides/make_notebooks.py quickstart scale   # some
    python guides/make_notebooks.py --no-run           # without outputs

A guide is a script that begins with a docstring of `Title:`, `Description:`
and other such lines. From there on, module-level strings are Markdown cells,
and what stands between them are code cells. `guides/NAME.py` becomes
`guides/notebooks/NAME.ipynb`, run from the repository root, with its outputs.
A guide that fails leaves its notebook as it was.

Outputs are kept as they look in the end: of a progress bar, its last state.
What libraries in C++ print to the screen is left out. Nothing but the outputs
differs from run to run.
"""

import argparse
import ast
import os
import re
import sys
import sysconfig
import tempfile
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ROOT / "guides"
NOTEBOOKS = GUIDES / "notebooks"
DRAFTS = ROOT / "build" / "notebooks"
FIELDS = ("Title", "Author", "Date created", "Last modified", "Description")
MAX_BYTES = 1_500_000
# The kernel and what it says of itself, alike on all machines.
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


class GuideError(Exception):
    """A guide that is not written as one, or does not run."""


def guides():
    """Paths of all guides."""
    tools = {Path(__file__).name}
    return sorted(p for p in GUIDES.glob("*.py") if p.name not in tools)


def convert(path):
    """The notebook of a guide, without outputs."""
    path = Path(path)
    source = path.read_text(encoding="utf-8")
    strings = markdown_strings(source, path.name)
    if not strings or source_between(source, 0, strings[0].lineno - 1):
        raise GuideError(f"{path.name} must begin with a docstring.")
    cells = [nbformat.v4.new_markdown_cell(title_cell(strings[0], path))]
    # Each ends where the next begins.
    borders = [*(node.lineno - 1 for node in strings[1:]), None]
    for node, border in zip(strings, borders, strict=True):
        if node is not strings[0]:
            text = relink(markdown(node))
            cells.append(nbformat.v4.new_markdown_cell(text))
        if code := source_between(source, node.end_lineno, border):
            cells.append(nbformat.v4.new_code_cell(code))
    for number, cell in enumerate(cells, 1):
        cell.id = f"cell-{number}"
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def markdown_strings(source, name):
    """The module-level strings of a script, in order."""
    nodes = [
        node
        for node in ast.parse(source, name).body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    lines = source.splitlines()
    for node in nodes:
        string = ast.get_source_segment(source, node)
        whole = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        # But for a comment: it may say why a line is long.
        if not re.fullmatch(re.escape(string) + r"\s*(#.*)?", whole):
            raise GuideError(
                f"{name}, line {node.lineno}: a string that is a Markdown cell "
                "must have its lines to itself."
            )
    return nodes


def markdown(node):
    return node.value.value.strip("\n").rstrip()


def relink(text):
    """Markdown of a guide with links as from where its notebook is."""

    def link(match):
        target, anchor = match.groups("")
        path = GUIDES / target
        if not path.exists():
            return match[0]
        if path in guides():
            return f"{path.stem}.ipynb{anchor}"
        return os.path.relpath(path, NOTEBOOKS) + anchor

    return re.sub(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=\))", link, text)


def source_between(source, start, stop):
    """Lines from `start` to before `stop`, without blank ones around them."""
    lines = [line.rstrip() for line in source.splitlines()[start:stop]]
    return "\n".join(lines).strip("\n")


def title_cell(node, path):
    """Markdown of the title, from the header of a guide."""
    header = dict(
        re.findall(r"^([A-Z][\w ]*): *(.+)$", markdown(node), re.MULTILINE)
    )
    missing = [field for field in FIELDS if field not in header]
    if missing:
        raise GuideError(
            f"The docstring of {path.name} must have lines that begin with "
            f"{', '.join(f'`{field}:`' for field in missing)}."
        )
    return (
        f"# {header['Title']}\n\n"
        f"**Author:** {header['Author']}<br>\n"
        f"**Date created:** {header['Date created']}<br>\n"
        f"**Last modified:** {header['Last modified']}<br>\n"
        f"**Description:** {header['Description']}\n\n"
        f"[This guide as a script](../{path.name})"
    )


def run(notebook, fast=False):
    """Runs a notebook from the repository root; its outputs are put in it."""
    environment = {
        **os.environ,
        "FAST_GUIDES": "1" if fast else "0",
        # Pictures go into the notebook, whatever is set for scripts.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # Bars of text do as well.
        "PYTHONWARNINGS": "ignore:IProgress not found",
    }
    # One's own settings and history of IPython have no part in it.
    with tempfile.TemporaryDirectory() as folder:
        environment["IPYTHONDIR"] = folder
        client = nbclient.NotebookClient(
            notebook,
            timeout=None,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str(ROOT)}},
            extra_arguments=[
                # C++ writes to the screen itself, not through Python.
                "--IPKernelApp.capture_fd_output=False",
                "--HistoryManager.enabled=False",
                "--log-level=ERROR",
            ],
        )
        try:
            client.execute(env=environment)
        except nbclient.exceptions.CellExecutionError as error:
            raise GuideError(plain(str(error))) from None
        except nbclient.exceptions.DeadKernelError as error:
            raise GuideError(f"{error} Is there enough memory?") from None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata = {}
            cell.outputs = tidy(cell.outputs)
            if any(is_unseen_figure(output) for output in cell.outputs):
                raise GuideError(
                    "A figure shows as its name, not as a picture. Make it "
                    "with `matplotlib.pyplot` and close it with `plt.close`: "
                    "Jupyter knows what pyplot made.\n\n" + cell.source
                )
    notebook.metadata = nbformat.from_dict(METADATA)


def tidy(outputs):
    """Outputs of a cell as they look in the end."""
    kept, seen, streams = [], [], {}
    for output in outputs:
        if output.output_type != "stream":
            # Of a figure that is not closed, Jupyter shows a second picture.
            picture = output.get("data", {}).get("image/png")
            if picture is None or picture not in seen:
                kept.append(output)
            seen.append(picture)
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            kept.append(output)
            streams[output.name] = output
    for output in streams.values():
        output.text = plain(output.text)
    return [output for output in kept if output.get("text") != ""]


def is_unseen_figure(output):
    shown = output.get("data", {})
    text = shown.get("text/plain", "")
    return text.startswith("<Figure size") and "image/png" not in shown


def plain(text):
    """Text as a terminal shows it in the end, without colours.

    Files, which warnings name, are named from where packages are.
    """
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    for folder in (sysconfig.get_path("purelib"), ROOT):
        text = text.replace(f"{folder}/", "")
    lines = [overwritten(line) for line in text.split("\n")]
    return "\n".join(lines)


def overwritten(line):
    """What is seen of a line that goes back and writes over itself."""
    shown, place = [], 0
    for part in re.findall(r"[\b\r]|[^\b\r]+", line):
        if part == "\r":
            place = 0
        elif part == "\b":
            place = max(place - 1, 0)
        else:
            shown[place : place + len(part)] = part
            place += len(part)
    return "".join(shown).rstrip()


def check(text, name):
    """Raises where a notebook shows what belongs to one machine or run."""
    for folder in {str(ROOT), sys.prefix, str(Path.home())} - {"/"}:
        if re.search(rf"{re.escape(folder)}\b", text):
            raise GuideError(
                f"An output of {name} has a path of this machine, {folder}. "
                "Show paths as they are from the repository root."
            )
    if address := re.search(r"\bat 0x[0-9a-f]{6,}", text):
        raise GuideError(
            f"An output of {name} has an address in memory, {address[0]}."
        )
    if len(text.encode()) > MAX_BYTES:
        raise GuideError(
            f"The notebook of {name} takes {len(text.encode()):,} bytes, more "
            f"than {MAX_BYTES:,}. Make its pictures smaller, or fewer."
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="of guides; all if none")
    parser.add_argument(
        "--no-run", action="store_true", help="convert alone, without outputs"
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="run with FAST_GUIDES=1, and write to build/notebooks: not what "
        "a reader should see",
    )
    settings = parser.parse_args()
    # A name, or a path as a shell completes it.
    names = [Path(name).stem for name in settings.names]
    unknown = set(names) - {path.stem for path in guides()}
    if unknown:
        parser.error(f"there is no guide {', '.join(sorted(unknown))}")
    folder = DRAFTS if settings.fast else NOTEBOOKS
    folder.mkdir(parents=True, exist_ok=True)
    for path in guides():
        if names and path.stem not in names:
            continue
        target = folder / f"{path.stem}.ipynb"
        try:
            notebook = convert(path)
            if not settings.no_run:
                print(f"running {path.name}", flush=True)
                run(notebook, settings.fast)
            text = nbformat.writes(nbformat.from_dict(notebook)) + "\n"
            # What took long to run can be looked at, be it refused or not.
            draft = DRAFTS / target.name
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            check(text, path.name)
        except GuideError as error:
            sys.exit(f"{path.name}: {error}")
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
