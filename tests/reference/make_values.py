"""Writes the numbers in `values/`, which tests compare with where there is no folder of reference values.

usage: BRAVE_TF_SHARED=FOLDER python tests/reference/make_values.py

They are computed by this package, so they are worth as much as the package is right: nothing is written
unless the tests that compare it with the reference values pass.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
# Of the parts whose numbers are kept.
GOLDEN = ("reference/test_eval_mode.py", "reference/test_train_mode.py", "reference/test_loss.py")
GOLDEN += ("objectives/test_regression.py", "training/optimizers/test_lars.py")


def main() -> int:
    """Runs the tests, then writes; returns the exit code."""
    if not os.environ.get("BRAVE_TF_SHARED"):
        print("error: BRAVE_TF_SHARED names no folder of reference values", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "pytest", "-q", *(str(TESTS / name) for name in GOLDEN)]
    if subprocess.run(command, cwd=TESTS.parent, check=False).returncode:
        print("error: the reference values are not met, nothing was written", file=sys.stderr)
        return 1
    write()
    return 0


def write() -> None:
    """Computes all numbers and writes them, rounded to 12 digits."""
    sys.path.insert(0, str(TESTS / "helpers"))
    import seeded_values

    numbers = {
        part: {
            name: [float(f"{number:.12g}") for number in values]
            for name, values in seeded_values.compute(part).items()
        }
        for part in seeded_values.PARTS
    }
    seeded_values.PATH.parent.mkdir(exist_ok=True)
    seeded_values.PATH.write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"wrote {seeded_values.PATH}")


if __name__ == "__main__":
    sys.exit(main())
