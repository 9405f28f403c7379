"""Charts as inline SVG: Matplotlib draws them, and the style sheet of the page colours them."""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import matplotlib
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from brave_tf.pages.document import SERIES

# Each stands for a variable of the style sheet, so that charts follow light and dark mode.
TEXT, MUTED, LINE, CARD = "#000101", "#000102", "#000103", "#000104"
_VARIABLES = {TEXT: "text", MUTED: "muted", LINE: "line", CARD: "card"}
_VARIABLES.update({f"#0000{number:02x}": f"s{number}" for number in range(1, SERIES + 1)})
_COLOUR = re.compile("|".join(_VARIABLES))

WIDTH = 560
# A pixel of a chart is a point of Matplotlib's.
_PER_INCH = 72
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.unicode_minus": False,
    "axes.xmargin": 0,
    "figure.facecolor": "none",
    "font.size": 12,
    "grid.color": LINE,
    "grid.linewidth": 1,
    # Points are thinned by whoever draws them.
    "path.simplify": False,
    "savefig.facecolor": "none",
    # Browsers have the letters that Matplotlib's own font lacks.
    "svg.fonttype": "none",
    # A dollar sign in a name is one.
    "text.parse_math": False,
    "text.color": MUTED,
    **{f"{axis}tick.{of}": MUTED for axis in "xy" for of in ("color", "labelcolor")},
    **{f"{axis}tick.major.{of}": size for axis in "xy" for of, size in (("size", 0), ("pad", 6))},
}
_FONT = re.compile(r"font[\w-]*:[^;]*;?\s*")
_DIGITS = re.compile(r"\d+\.\d{3,}")
# XML has no place for them.
_NO_TEXT = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def colour(number: int) -> str:
    """Returns the colour of the series of this index."""
    return f"#0000{number % SERIES + 1:02x}"


@contextlib.contextmanager
def drawing(height: float, left: float, right: float, top: float, bottom: float) -> Iterator[Chart]:
    """Gives a chart to draw in, whatever the user's settings of Matplotlib are.

    Args:
      height: pixels of the chart, which is `WIDTH` wide.
      left: pixels beside the axes.
      right: pixels beside the axes.
      top: pixels above the axes.
      bottom: pixels beneath the axes.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield Chart(height, left, right, top, bottom)


class Chart:
    """One pair of axes.

    Attributes:
      axes: of Matplotlib; without a frame, ticks or grid lines on them.
    """

    def __init__(self, height: float, left: float, right: float, top: float, bottom: float):
        self._figure = Figure(figsize=(WIDTH / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH)
        inside = (WIDTH - left - right) / WIDTH, (height - top - bottom) / height
        self.axes = self._figure.add_axes((left / WIDTH, bottom / height, *inside))
        self.axes.spines[:].set_visible(False)
        self.axes.patch.set_visible(False)
        self._figure.patch.set_visible(False)
        self._titles: dict[str, tuple[str, ...]] = {}

    def tell(self, artist: Artist, *titles: str) -> None:
        """Adds what is shown when a shape is pointed at: a text for all of it, or one for each part."""
        name = f"told{len(self._titles)}"
        artist.set_gid(name)
        self._titles[name] = titles

    def write(self, x: float, y: float, text: str, align: str, colour: str = MUTED) -> Artist:
        """Writes a text.

        Args:
          x: pixels to the right of the left end of the axes.
          y: its middle, in units of the axes.
          text: anything.
          align: `left`, `center` or `right` of x.
          colour: one of this module.
        """
        place = self.axes.get_yaxis_transform()
        inside = self.axes.get_position().width * WIDTH
        return self.axes.text(
            x / inside,
            y,
            _NO_TEXT.sub("?", text),
            color=colour,
            ha=align,
            va="center",
            transform=place,
        )

    def name(self, x: float, y: float, text: str, most: int) -> None:
        """Writes a name that ends at x; a wider one than `most` letters is whole when pointed at."""
        shown = shortened(text, most)
        artist = self.write(x, y, shown, "right")
        if shown != text:
            self.tell(artist, text)

    def name_axis(self, text: str) -> None:
        """Writes what the numbers beneath the axes are of."""
        self.axes.set_xlabel(_NO_TEXT.sub("?", text), labelpad=2, color=MUTED)

    def svg(self, label: str, description: str) -> Markup:
        """Returns an SVG that is as wide as its place on the page.

        Args:
          label: what is shown, for those who cannot see it.
          description: the numbers in it, for them.
        """
        label, description = _NO_TEXT.sub("?", label), _NO_TEXT.sub("?", description)
        root = ElementTree.fromstring(self._drawn(f"{label} {description}"))
        for unused in [each for each in root if each.tag.endswith(("metadata", "defs"))]:
            root.remove(unused)
        for element in root.iter():
            _simplify(element)
        self._add_titles(root)
        referenced = {each.get("href", "").lstrip("#") for each in root.iter("use")}
        for element in root.iter():
            if element.get("id") not in referenced:
                element.attrib.pop("id", None)
        said = ElementTree.Element("desc")
        said.text = description
        root.insert(0, said)
        place = {"viewBox": root.get("viewBox"), "role": "img"}
        root.attrib = {**place, "aria-label": label}
        return Markup(ElementTree.tostring(root, encoding="unicode"))

    def _drawn(self, seed: str) -> bytes:
        """Draws; the names of shapes follow from the seed, so that those of other charts differ."""
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": seed}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")
            self._figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    def _add_titles(self, root: ElementTree.Element) -> None:
        defined = {each for defs in root.iter("defs") for each in defs.iter()}
        for group in [each for each in root.iter() if each.get("id") in self._titles]:
            titles, parts = self._titles[group.get("id")], [group]
            if len(titles) > 1:
                shapes = (each for each in group.iter() if each.tag in ("path", "use"))
                parts = [each for each in shapes if each not in defined]
            if len(parts) != len(titles):
                raise AssertionError(f"{len(titles)} texts for {len(parts)} shapes")
            for part, text in zip(parts, titles):
                title = ElementTree.Element("title")
                title.text = _NO_TEXT.sub("?", text)
                part.insert(0, title)


def shortened(text: str, most: int) -> str:
    """Shortens a text to the width of so many letters; an East Asian letter counts as two."""
    ends, width = [], 0
    for letter in text:
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        ends.append(width)
    if width <= most:
        return text
    return text[: sum(end < most for end in ends)] + "…"


def _simplify(element: ElementTree.Element) -> None:
    """Leaves colours and fonts to the page, and digits away that nobody sees."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag != "text":
        element.text = None
    element.tail = None
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        # Nothing is drawn outside the chart, so clipping does nothing; neither does turning by 0 degrees.
        if name == "clip-path" or value.startswith("rotate(-0 "):
            continue
        if name == "style":
            value = _COLOUR.sub(lambda found: f"var(--{_VARIABLES[found[0]]})", value)
            value = _FONT.sub("", value)
        elif name in ("d", "x", "y", "transform", "points"):
            value = _DIGITS.sub(lambda found: f"{float(found[0]):.2f}", value).replace("\n", " ")
        element.set(name.rpartition("}")[2], value.strip())
