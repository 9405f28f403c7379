"""What the header of a recipe says: the row of the paper's tables that it is, and the figures there."""

from __future__ import annotations

import dataclasses
import itertools
import re

from brave_tf.configuration.gin_statements import RECIPE, RECIPE_DIR

_FIELD = re.compile(r"# (Row|Command|Paper): +(.+)")
_FIGURES = re.compile(r"(\S+) (\d+\.\d \S+(?:, \d+\.\d \S+)*)")
# Before what a row of another method is.
PEER = "other methods: "
# Before the views of a recipe that is of no data set.
_GENERAL = "v_"


@dataclasses.dataclass(frozen=True)
class Header:
    """The comment that a recipe starts with.

    Attributes:
      title: its first line.
      row: which row of the paper's tables it is, or of the tables of another method's authors; None for the
        general recipes and the demo's.
      command: the first command that runs it.
      paper: "<data set> <protocol>", such as "HMDB51 linear" -> accuracy in per cent, as written.
    """

    title: str
    row: str | None
    command: str
    paper: dict[str, str]


def names() -> list[str]:
    """Returns the names of all recipes."""
    return sorted(path.name[: -len(".gin")] for path in RECIPE_DIR.glob("*.gin"))


def titles() -> dict[str, str]:
    """Returns the first line of each recipe's header, by the recipe's name."""
    return {name: read(name).title for name in names()}


def recipe_of(text: str) -> str | None:
    """Returns the name of the recipe that a written configuration was loaded from, None for another."""
    found = re.search(rf"^{RECIPE} = '(.+)'$", text, re.MULTILINE)
    return found and found[1]


def rows() -> list[str]:
    """Returns the names of the recipes of BraVe that are rows of the paper's tables."""
    return [name for name in _with_row() if not read(name).row.startswith(PEER)]


def peers() -> list[str]:
    """Returns the names of the recipes of other methods."""
    return [name for name in _with_row() if read(name).row.startswith(PEER)]


def general() -> list[str]:
    """Returns the names of the recipes that are of no data set, for one's own videos.

    Those with the most modalities beside RGB come first.
    """
    found = [name for name in names() if name.startswith(_GENERAL)]
    return sorted(found, key=lambda name: (-len(set(name[len(_GENERAL) :]) - {"v"}), name))


def read(name: str) -> Header:
    """Reads the header of a recipe by its name."""
    lines = (RECIPE_DIR / f"{name}.gin").read_text("utf-8").splitlines()
    comment = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    fields = dict(match.groups() for match in map(_FIELD.match, comment) if match)
    return Header(comment[0][2:], fields.get("Row"), fields["Command"], _figures(fields))


def _with_row() -> list[str]:
    return [name for name in names() if read(name).row is not None]


def _figures(fields: dict[str, str]) -> dict[str, str]:
    figures = {}
    for part in filter(None, fields.get("Paper", "").split("; ")):
        data_set, accuracies = _FIGURES.fullmatch(part).groups()
        for accuracy in accuracies.split(", "):
            number, protocol = accuracy.split(" ")
            figures[f"{data_set} {protocol}"] = number
    return figures
