"""Pages from templates: one HTML file each that needs nothing else, and their tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

# Colours of series that the style sheet has; further series begin again.
SERIES = 6

_NUMBER = re.compile(r"[-–]|-?\d.*").fullmatch
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("brave_tf.pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["SERIES"] = SERIES


def write(path: str, template: str, **values: object) -> None:
    """Writes a page part by part; what the template iterates over is made as it is written.

    Args:
      path: of the HTML file.
      template: its name.
      **values: of the names in the template; all but `Markup` is text.
    """
    # Names of files may hold bytes that are no text.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.writelines(TEMPLATES.get_template(template).generate(**values))


def render(template: str, **values: object) -> Markup:
    """Returns a part of a page; see `write`."""
    return Markup(TEMPLATES.get_template(template).render(**values))


def table(rows: Sequence[Sequence[object]], marked: Sequence[int] = ()) -> Markup:
    """Returns a table of texts, which scrolls where the page is too narrow for it; numbers to the right.

    Args:
      rows: the head, and the others; a cell each.
      marked: indices among `rows` of those to emphasise.
    """
    columns = list(zip(*rows[1:])) or [()] * len(rows[0])
    numbers = [all(map(_NUMBER, map(str, column))) for column in columns]
    return render("table.html", rows=rows, numbers=numbers, marked=marked)
