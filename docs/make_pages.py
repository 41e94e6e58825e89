"""Makes the site's pages of what the repository has, as a hook of MkDocs.

Nothing is written twice: the index is the README, guides are their executed
notebooks, model cards those in the folders of presets, and the reference is
the docstrings of all that is in `__all__` of the public namespaces. A link
between files of the repository becomes one between pages, or leads to the
file, which is then put on the site beside them.
"""

import base64
import functools
import os
import posixpath
import re
from pathlib import Path

import griffe
import nbformat
from mkdocs.structure.files import File

import keras_mirasol

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_mirasol"
NAMESPACES = [name for name in keras_mirasol.__all__ if name[0] != "_"]
LINK = re.compile(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=[)\s])")
FENCED = re.compile(r"^ *(`{3,}).*?^ *\1$", re.MULTILINE | re.DOTALL)


def on_config(config):
    """Puts all pages in order."""
    config.nav = [
        {"Home": "index.md"},
        {"Guides": [f"guides/{path.stem}.md" for path in notebooks()]},
        {
            "API": [
                {
                    namespace: [
                        f"{api_folder(namespace)}/index.md",
                        *(
                            {name: api_page(namespace, name)}
                            for name in public_names(namespace)
                        ),
                    ]
                }
                for namespace in NAMESPACES
            ]
        },
        {"Models": [page_of(path) for path in model_cards()]},
        {"Contributing": ["CONTRIBUTING.md", "tests/README.md"]},
    ]
    return config


def on_files(files, config):
    """Adds the pages, and the files that they link to."""
    site = Site(files, config)
    for path in [*markdown_files(), *model_cards()]:
        site.add_page(path, path.read_text(encoding="utf-8"))
    for path in notebooks():
        site.add_notebook(path)
    for namespace in NAMESPACES:
        names = public_names(namespace)
        site.add(f"{api_folder(namespace)}/index.md", namespace_page(namespace))
        for name in names:
            identifier = f"keras_mirasol.{namespace}.{name}"
            site.add(api_page(namespace, name), f"::: {identifier}\n")
    return files


class Site:
    """Pages and files that are put on the site."""

    def __init__(self, files, config):
        self.files = files
        self.config = config

    def add(self, uri, content):
        if not self.files.get_file_from_path(uri):
            self.files.append(File.generated(self.config, uri, content=content))

    def add_page(self, path, text):
        """Adds a Markdown text that stands in a file of the repository."""
        uri = page_of(path)
        self.add(uri, outside_code(lambda t: self.relink(t, path, uri), text))

    def add_notebook(self, path):
        """Adds a notebook as it was run, with the pictures in it."""
        notebook = nbformat.read(path, as_version=4)
        folder = f"guides/{path.stem}_files"
        text = []
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type == "markdown":
                text.append(cell.source)
                continue
            text.append(f"```python\n{cell.source}\n```")
            for index, output in enumerate(cell.outputs):
                shown = output.get("data", {})
                if "image/png" in shown:
                    name = f"{number}-{index}.png"
                    self.add(
                        f"{folder}/{name}",
                        base64.b64decode(shown["image/png"]),
                    )
                    text.append(f"![]({posixpath.basename(folder)}/{name})")
                elif "text/html" in shown:
                    text.append(
                        f'<div class="output">{shown["text/html"]}</div>'
                    )
                else:
                    printed = output.get("text") or shown["text/plain"]
                    text.append(
                        f"````{{.text .output}}\n{printed.rstrip()}\n````"
                    )
        self.add_page(path, "\n\n".join(text) + "\n")

    def relink(self, text, path, uri):
        """A page's text with links as they are on the site."""

        def link(match):
            target, anchor = match[1], match[2] or ""
            if re.match(r"[a-z]+:", target) or target.startswith(
                f"{path.stem}_files/"
            ):
                return match[0]
            file = Path(os.path.normpath(path.parent / target))
            if not file.exists():
                # MkDocs tells of it.
                return match[0]
            # Of a guide, others mean the page, and the page its script.
            notebook = ROOT / "guides" / "notebooks" / f"{file.stem}.ipynb"
            is_guide = file.parent == ROOT / "guides" and notebook.exists()
            found = page_of(notebook if is_guide and path != notebook else file)
            if not found.endswith(".md"):
                self.add(found, file.read_bytes())
            return posixpath.relpath(found, posixpath.dirname(uri)) + anchor

        return link_names(LINK.sub(link, text))


def page_of(path):
    """Where a file of the repository is on the site."""
    uri = path.relative_to(ROOT).as_posix()
    if uri == "README.md":
        return "index.md"
    if path in model_cards():
        return f"models/{path.parent.name}.md"
    if path in notebooks():
        return f"guides/{path.stem}.md"
    return uri.removeprefix("docs/")


@functools.cache
def notebooks():
    """Of the guides, the first to read first."""
    return sorted(
        (ROOT / "guides" / "notebooks").glob("*.ipynb"),
        key=lambda path: (path.stem != "quickstart", path.stem),
    )


@functools.cache
def model_cards():
    """Of the presets, the smallest first."""
    return sorted(
        PACKAGE.glob("presets/*/README.md"),
        key=lambda path: (path.parent / "config.json").stat().st_size,
    )


def markdown_files():
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "tests/README.md",
    ]


def public_object(namespace, name):
    """What a name of a namespace stands for."""
    value = package()[namespace][name]
    return value.final_target if value.is_alias else value


def api_folder(namespace):
    return f"api/{namespace}"


def api_page(namespace, name):
    return f"{api_folder(namespace)}/{name}.md"


def public_names(namespace):
    """What is in `__all__` of a namespace."""
    return package()[namespace].exports


def namespace_page(namespace):
    """What a namespace is for, and what is in it."""
    module = package()[namespace]
    lines = [
        f"# {module.path}",
        f"::: {module.path}",
        "    options:",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
        "      members: false",
        "",
        "| name | what it is |",
        "| --- | --- |",
    ]
    for name in public_names(namespace):
        docstring = public_object(namespace, name).docstring.value
        first_line = docstring.partition("\n")[0]
        lines.append(f"| [`{name}`][{module.path}.{name}] | {first_line} |")
    return "\n".join(lines) + "\n"


@functools.cache
def package():
    """The package as its source says, without importing it."""
    loaded = griffe.load(
        "keras_mirasol", search_paths=[ROOT], resolve_aliases=True
    )
    for namespace in NAMESPACES:
        unshadow(loaded[namespace])
    return loaded


def unshadow(module):
    """Has a name stand for what is imported, not for a file of that name.

    As it does in Python, after `from keras_mirasol.data.clip_dataset import
    clip_dataset`.
    """
    for name in module.exports or []:
        member = isinstance(name, str) and module.members.get(name)
        if member and not member.is_alias and member.is_module:
            if name in member.members:
                alias = griffe.Alias(name, member.members[name], parent=module)
                module.set_member(name, alias)
            else:
                unshadow(member)


@functools.cache
def unique_names():
    """Full names of what is public, by full name and by the last part."""
    full = set()
    for namespace in NAMESPACES:
        for name in public_names(namespace):
            public = public_object(namespace, name)
            names = {name}
            if public.is_module:
                names |= {
                    f"{name}.{member}"
                    for member in public.exports
                    if public[member].has_docstring
                }
            full |= {f"keras_mirasol.{namespace}.{name}" for name in names}
    short = [name.rpartition(".")[2] for name in full]
    return {name: name for name in full} | {
        name.rpartition(".")[2]: name
        for name in full
        if short.count(name.rpartition(".")[2]) == 1
    }


def link_names(text):
    """Links public names that stand in a Markdown text as code."""

    def link(match):
        name = unique_names().get(match[1])
        return f"[`{match[1]}`][{name}]" if name else match[0]

    return re.sub(r"(?<![\[`])`([\w.]+)`(?![\]`])", link, text)


def outside_code(change, text, fenced=FENCED):
    """A Markdown text, changed where it is not a block of code."""
    parts, end = [], 0
    for code in fenced.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])
