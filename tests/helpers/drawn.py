"""Reads charts: which shapes tell what, where they lie, and what is written."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import numpy as np


@dataclasses.dataclass(frozen=True)
class Shape:
    """A shape that shows a text when it is pointed at.

    Attributes:
      title: the text.
      style: its colours and lines.
      line: (points, 2) corners of its path, y downwards; none for markers only.
      markers: (points, 2) places of its markers.
    """

    title: str
    style: str
    line: np.ndarray
    markers: np.ndarray

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The left, upper, right and lower end of the path."""
        return (*self.line.min(axis=0), *self.line.max(axis=0))

    @property
    def width(self) -> float:
        """The width of the path."""
        return float(np.ptp(self.line[:, 0]))


class Chart:
    """A chart that is well-formed and needs nothing outside.

    Attributes:
      shapes: those with a title, in the order of drawing.
      texts: text -> x and y, of all that is written.
      label: its name for those who do not see it.
      description: its numbers for them.
      size: width and height.
    """

    def __init__(self, svg: str):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        self.label, self.description = root.get("aria-label"), root.find("desc").text
        self.size = tuple(map(float, root.get("viewBox").split()[2:]))
        identifiers = [each.get("id") for each in root.iter() if each.get("id")]
        assert len(identifiers) == len(set(identifiers))
        assert {each.get("href") for each in root.iter("use")} <= {f"#{i}" for i in identifiers}
        assert "url(" not in svg and "#0" not in svg
        self._defined = {each for defs in root.iter("defs") for each in defs.iter()}
        self.shapes = [self._shape(each) for each in root.iter() if each.find("title") is not None]
        self.shapes = [shape for shape in self.shapes if shape]
        self.texts = {
            each.text: (float(each.get("x")), float(each.get("y"))) for each in root.iter("text")
        }
        self.colours = {each.text: each.get("style") for each in root.iter("text")}

    def titles(self) -> list[str]:
        """Returns what the shapes tell."""
        return [shape.title for shape in self.shapes]

    def lines(self) -> list[Shape]:
        """Returns the shapes that have a path."""
        return [shape for shape in self.shapes if len(shape.line)]

    def _shape(self, group: ElementTree.Element) -> Shape | None:
        drawn = [each for each in group.iter() if each not in self._defined]
        paths = [each for each in drawn if each.tag == "path"]
        uses = [each for each in drawn if each.tag == "use"]
        if not paths + uses:
            return None
        number = r"(-?[\d.]+)"
        corners = [
            found for each in paths for found in re.findall(f"{number} {number}", each.get("d"))
        ]
        markers = [(each.get("x"), each.get("y")) for each in uses]
        return Shape(
            group.find("title").text,
            (paths + uses)[0].get("style"),
            np.array(corners, float).reshape(-1, 2),
            np.array(markers, float).reshape(-1, 2),
        )
