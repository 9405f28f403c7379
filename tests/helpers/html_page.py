"""Reads HTML pages, to see what they show and whether they need anything else."""

from __future__ import annotations

import html.parser
import pathlib

_VOID = {"meta", "img", "line"}


class Page(html.parser.HTMLParser):
    """A page whose tags are closed in order.

    Attributes:
      tags: (name, attributes) of each.
      data: what stands between them.
    """

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.open, self.tags, self.data = [], [], ""
        self.text = path.read_text()
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data += data

    def count(self, **attributes: str) -> int:
        """Returns how many tags have these attributes."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return sum(all(a.get(n) == v for n, v in wanted.items()) for _, a in self.tags)

    def check_self_contained(self) -> None:
        """Asserts that there is no script, and that all pictures and shapes are inside."""
        assert not {tag for tag, _ in self.tags} & {"script", "link", "iframe", "object"}
        links = [a.get("href") or a.get("src") for _, a in self.tags if "href" in a or "src" in a]
        names = [a["id"] for _, a in self.tags if "id" in a]
        assert len(names) == len(set(names))
        inside = {f"#{name}" for name in names}
        assert all(link.startswith("data:image/") or link in inside for link in links)
        style = self.text.split("</style>")[0]
        assert "url(" not in style and "@import" not in style
        assert "prefers-color-scheme: dark" in style
