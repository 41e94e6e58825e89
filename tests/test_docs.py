"""The site of documentation."""

import html.parser
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from scripts import ROOT
from scripts import load_script

import keras_mirasol

pytestmark = pytest.mark.any_backend

pytest.importorskip("material")
pytest.importorskip("mkdocstrings_handlers.python")
docstrings = load_script("docs/docstrings.py")
make_pages = load_script("docs/make_pages.py")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as by `make docs`."""
    folder = tmp_path_factory.mktemp("site")
    result = build(ROOT, folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def build(root, folder):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder],
        cwd=root,
        env={
            **os.environ,
            "NO_MKDOCS_2_WARNING": "1",
            "PYTHONPATH": str(root),
        },
        capture_output=True,
        text=True,
    )


class Page(html.parser.HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[k] for k in ("id",) if k in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and "href" in attributes:
            self.loaded.append(attributes["href"])
        elif "src" in attributes:
            self.loaded.append(attributes["src"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_and_anchor_leads_somewhere(site, pages):
    checked = 0
    for path, page in pages.items():
        # Its links begin at the root of a site.
        if path.name == "404.html":
            continue
        for link in [*page.links, *page.loaded]:
            url = urllib.parse.urlsplit(link)
            if url.scheme in ("https", "mailto", "data"):
                continue
            assert url.scheme == url.netloc == "", f"{path}: {link}"
            target = Path(
                os.path.normpath(path.parent / urllib.parse.unquote(url.path))
            )
            if not url.path:
                target = path
            elif target.is_dir():
                target = target / "index.html"
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if url.fragment and target in pages:
                anchors = pages[target].anchors | {"__consent", "__top"}
                assert urllib.parse.unquote(url.fragment) in anchors, link
            checked += 1
    assert checked > 1000


def test_nothing_is_loaded_from_other_hosts(site, pages):
    for path, page in pages.items():
        for url in page.loaded:
            assert not re.match("(https?:)?//", url), f"{path}: {url}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", path.read_text())


def test_everything_that_is_public_has_a_page(pages, site):
    for namespace in make_pages.NAMESPACES:
        module = importlib.import_module(f"keras_mirasol.{namespace}")
        index = pages[site / "api" / namespace / "index.html"]
        assert make_pages.public_names(namespace) == module.__all__
        for name in module.__all__:
            page = pages[site / "api" / namespace / f"{name}.html"]
            assert f"{module.__name__}.{name}" in page.anchors
            assert f"{name}.html" in {
                link.partition("#")[0] for link in index.links
            }
            value = getattr(module, name)
            if inspect.ismodule(value):
                documented = {
                    f"{module.__name__}.{name}.{member}"
                    for member in value.__all__
                    if inspect.isclass(getattr(value, member))
                    or inspect.isfunction(getattr(value, member))
                }
                assert documented and documented <= page.anchors
    assert {*make_pages.NAMESPACES, "__version__"} == {*keras_mirasol.__all__}


def test_methods_that_a_task_inherits_are_on_its_page(pages, site):
    page = pages[site / "api" / "models" / "MirasolCausalLM.html"]
    for method in ("fit", "compile", "generate", "from_preset"):
        assert f"keras_mirasol.models.MirasolCausalLM.{method}" in page.anchors


def test_guides_and_their_pictures_are_pages(pages, site):
    for path in make_pages.notebooks():
        page = pages[site / "guides" / f"{path.stem}.html"]
        assert any(url.startswith(f"{path.stem}_files/") for url in page.loaded)


def test_links_that_lead_nowhere_fail_the_build(tmp_path):
    copy = tmp_path / "repository"
    shutil.copytree(ROOT / "docs", copy / "docs")
    shutil.copy(ROOT / "mkdocs.yml", copy)
    shutil.copytree(
        ROOT / "keras_mirasol",
        copy / "keras_mirasol",
        ignore=shutil.ignore_patterns("presets", "__pycache__"),
    )
    (copy / "tests").mkdir()
    for name in ("CONTRIBUTING.md", "tests/README.md"):
        (copy / name).write_text("# A title\n")
    (copy / "README.md").write_text(
        "# A README\n\n[a](guides/no_such_guide.py) [b](#no-such-heading) "
        "[c][keras_mirasol.data.no_such_function]\n"
    )
    result = build(copy, tmp_path / "site")
    assert result.returncode != 0
    for missing in ("guide.py", "heading", "function"):
        assert re.search(rf"WARNING.*no.such.{missing}", result.stderr)


class TestMarkdownOfDocstrings:
    def test_sections_become_lists(self):
        docstring = (
            "Does it.\n\nArgs:\n    a: int. How\n        many.\n"
            "    b, c: floats.\n        See `a`: more.\n\n"
            "Returns:\n    A tensor: of one.\n"
        )
        assert docstrings.markdown(docstring) == (
            "Does it.\n\n**Args**\n\n\n`a`\n:   int. How\n    many.\n\n"
            "`b`, `c`\n:   floats.\n    See `a`: more.\n\n"
            "**Returns**\n\nA tensor: of one.\n"
        )

    def test_code_stays_as_it_is(self):
        code = "```python\nArgs:\n    a: `load_clip`\n```"
        assert docstrings.markdown(f"Example:\n{code}") == (
            f"**Example**\n\n{code}"
        )

    def test_rows_of_tables_that_go_on_are_joined(self):
        docstring = "| a | b |\n|---|---|\n| x | one |\n|   | two |\n| y | z |"
        assert docstrings.markdown(docstring) == (
            "| a | b |\n|---|---|\n| x  | one two |\n| y | z |"
        )

    def test_public_names_become_links(self):
        assert docstrings.markdown("See `load_clip` and `fit`.") == (
            "See [`load_clip`][keras_mirasol.data.load_clip] and `fit`."
        )
