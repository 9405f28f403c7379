"""How results are printed: a table for people, one line of JSON for programs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any

_PACKAGES = ("brave_tf", "tensorflow", "keras", "numpy")


def machine() -> dict[str, Any]:
    """Returns processor, cores, memory in GB, and the load of the last minute before the benchmark."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages * page_size / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Returns the version of Python and of the packages that results depend on."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **found}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Aligns rows under their keys; a row without a key has a blank there."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([_cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    texts = [any(isinstance(row.get(key), str) for row in rows) for key in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, texts)
        ).rstrip()
        for line in lines
    )


def json_line(name: str, machine: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Returns the result as one line of JSON, with the machine and the versions.

    Args:
      name: of the benchmark.
      machine: what `machine` said before it ran.
      result: 'settings' and 'rows' of the benchmark, and 'baseline' if it was compared with one.
    """
    report = {
        "name": name,
        "machine": machine,
        "versions": versions(),
        **result,
    }
    return json.dumps(report, default=float)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _cpu() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
