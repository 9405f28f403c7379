"""How much memory this process has."""

from __future__ import annotations

import pathlib
import resource
import sys

_MB = 2**20


def resident_mb() -> float:
    """Returns what the process holds now; where the system does not tell, the most it ever held."""
    statm = pathlib.Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / _MB
    return peak_mb()


def peak_mb() -> float:
    """Returns the most that the process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MB


def peak_of_mb(process: int | str) -> float:
    """Returns the most that a process of a Linux system ever held since it began its program.

    Args:
      process: its id, or 'self'; 0 is returned for one that is gone.
    """
    try:
        status = pathlib.Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) * 1024 / _MB if lines else 0.0
