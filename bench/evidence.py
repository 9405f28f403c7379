"""Writes the tables of docs/evidence.md from the records of `real_clips` and `findings`.

What stands between the page's marks `<!-- NAME -->` and `<!-- /NAME -->` is replaced by tables of the record
NAME.jsonl. Nothing is measured.
"""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from bench import evidence_tables, probed_runs
from brave_tf.errors import UserError
from brave_tf.storage import files

PAGE = probed_runs.EVIDENCE.with_suffix(".md")
_TABLES: Mapping[str, Callable[[Sequence[evidence_tables.Line]], str]] = {
    "real_clips": evidence_tables.real_clips,
    "findings": evidence_tables.findings,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--page", default=str(PAGE), help="the page that is written")
    parser.add_argument(
        "--records", default=str(probed_runs.EVIDENCE), help="folder of the records"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the page; returns how many lines each record has."""
    page, records = pathlib.Path(args.page), pathlib.Path(args.records)
    if not page.is_file():
        raise UserError(f"--page={page}: expected a page with the marks of tables, see --help.")
    text = with_tables(page.read_text("utf-8"), records)
    with files.replacing(page) as aside:
        aside.write_text(text, "utf-8")
    rows = [{"record": name, "lines": len(_lines(records, name))} for name in _TABLES]
    return {"settings": vars(args), "rows": rows}


def with_tables(text: str, records: pathlib.Path) -> str:
    """Returns the text of a page with the tables of the records that are in a folder.

    Raises:
      UserError: the page lacks the marks of a table, or a record cannot be read.
    """
    for name, tables in _TABLES.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        parts = between.findall(text)
        if len(parts) != 1:
            raise UserError(
                f"the page has {len(parts)} places for the tables of {name}: expected one line "
                f"<!-- {name} --> and, below it, one line <!-- /{name} -->."
            )
        (first, last) = parts[0]
        written = f"{first}\n{tables(_lines(records, name))}\n\n{last}"
        text = between.sub(lambda _, written=written: written, text)
    return text


def _lines(records: pathlib.Path, name: str) -> list[evidence_tables.Line]:
    return probed_runs.read_record(records / f"{name}.jsonl")
