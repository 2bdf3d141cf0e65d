"""Roles of reStructuredText in docstrings (``:func:``, ``:math:``, ``.. math::``) as Markdown."""

import re
from textwrap import dedent
from typing import Any, Final

import griffe

_FORMULA: Final = re.compile(r"^( *)\.\. math::(.*(?:\n\1 +\S.*)*)", re.MULTILINE)
_INLINE_FORMULA: Final = re.compile(r":math:`([^`]+)`")
_ROLE: Final = re.compile(r":(?:func|class|meth|attr|mod|data):`([\w.]+)`")


def markdown(text: str) -> str:
    """The docstring with formulae between dollars, and links where the target is documented."""
    text = _FORMULA.sub(_formula, text)
    text = _INLINE_FORMULA.sub(r"$\1$", text)
    text = _ROLE.sub(_link, text)
    return text.replace("``", "`")


def _formula(match: re.Match) -> str:
    indent, formula = match[1], " ".join(dedent(match[2]).split())
    return f"\n{indent}$$\n{indent}{formula}\n{indent}$$\n"


def _link(match: re.Match) -> str:
    name = match[1].rpartition(".")[2]
    return f'<autoref identifier="{match[1]}" optional><code>{name}</code></autoref>'


class Roles(griffe.Extension):
    """Rewrites every docstring when it is collected."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for modules, classes, functions and attributes."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
