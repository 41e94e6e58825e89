"""Makes Markdown of docstrings in the style of KerasHub, for the site."""

import re
import sys
import textwrap
from pathlib import Path

import griffe

sys.path.append(str(Path(__file__).parent))

from make_pages import NAMESPACES
from make_pages import link_names
from make_pages import outside_code
from make_pages import unshadow

# Sections that list names, and what each of these is.
LISTS = {"Args", "Call arguments", "Attributes", "Raises"}
# `Args:` and what is indented below it.
SECTION = re.compile(
    r"^([A-Z][a-z]+(?: [a-z]+)*):\n((?:(?:[ ]{4}.*)?\n)*[ ]{4}.*)$",
    re.MULTILINE,
)
# `Example:` and a block of code below it, which is not indented.
EXAMPLE = re.compile(r"^(Examples?):\n+(?=```)", re.MULTILINE)
# A row of a table that goes on with the cells of the row above.
CONTINUED = re.compile(r"^(\|.*)\|\n\| +(\|.*)$", re.MULTILINE)
# Not those that are indented: they are part of a section.
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


class KerasDocstrings(griffe.Extension):
    """Hands docstrings to mkdocstrings as plain Markdown."""

    def on_package(self, *, pkg, loader, **kwargs):
        for documented in objects(pkg):
            if documented.docstring:
                text = documented.docstring.value
                documented.docstring.value = markdown(text)
        for namespace in NAMESPACES:
            unshadow(pkg[namespace])


def objects(parent):
    """All that is defined in a package, not what is imported there."""
    yield parent
    for member in parent.members.values():
        if not member.is_alias:
            yield from objects(member)


def markdown(docstring):
    """Markdown of a docstring; code stays as it is."""
    text = EXAMPLE.sub(r"**\1**\n\n", docstring)
    while CONTINUED.search(text):
        text = CONTINUED.sub(joined_rows, text)
    # Sections first: some have blocks of code in them, none is in one.
    return outside_code(lambda t: link_names(sections(t)), text, FENCED)


def joined_rows(match):
    above, below = (row.strip("| ").split("|") for row in match.groups())
    # The cell that names the row stands above alone.
    cells = zip(above, ["", *below], strict=True)
    return f"| {' | '.join(f'{a.strip()} {b.strip()}' for a, b in cells)} |"


def sections(text):
    return SECTION.sub(section, text)


def section(match):
    title, body = match[1], textwrap.dedent(match[2])
    if title in LISTS:
        # A name stands at the margin, its text goes on indented.
        body = re.sub(r"^(\S[^\n:]*): ", item, body, flags=re.MULTILINE)
    return f"**{title}**\n\n{body}"


def item(match):
    """A term of a definition list: the name of an argument, or several."""
    names = ", ".join(f"`{name}`" for name in re.split(r"\s*,\s*", match[1]))
    return f"\n{names}\n:   "
