"""Names of splits when a data set has several official ones, as lists of roles or as folds.

Clips are prepared once for all official splits. With three of them (HMDB51, UCF101) a clip is in the split
of records that is named after its roles, such as `train-test-train`; with folds (ESC-50) in `fold1` and so
on. Several splits of records joined by + make a split of the data set again.

    python -m brave_tf.data.public.official_splits data/hmdb51

prints what to give as training and as test split.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence

from brave_tf.errors import UserError

ROLES = ("train", "test", "unused")
_ROLE_NAME = re.compile(rf"(?:{'|'.join(ROLES)})(?:-(?:{'|'.join(ROLES)}))+")
_FOLD_NAME = re.compile(r"fold([1-9]\d*)")


def role_name(roles: Sequence[str]) -> str:
    """Returns the split of the clips that have `roles` in the first, second, ... official split."""
    name = "-".join(roles)
    if not _ROLE_NAME.fullmatch(name):
        raise ValueError(f"{roles}: expected two or more of {', '.join(ROLES)}.")
    return name


def fold_name(fold: int) -> str:
    """Returns the split of the clips of a fold, counted from 1."""
    return f"fold{fold}"


def is_fold(name: str) -> bool:
    """Whether a split has the name of a fold."""
    return bool(_FOLD_NAME.fullmatch(name))


def official_split(names: Iterable[str], number: int, role: str) -> str:
    """Returns the clips with one role in an official split.

    Args:
      names: Splits that there are, such as `DatasetInfo.splits`; others than those of roles do not count.
      number: Of the official split, from 1.
      role: `train`, `test` or `unused`.

    Returns:
      Names of splits joined by +.

    Raises:
      UserError: No clip has the role.
    """
    if role not in ROLES:
        raise ValueError(f"role {role!r}: expected one of {', '.join(ROLES)}.")
    names = sorted(names)
    roles = [name.split("-") for name in names if _ROLE_NAME.fullmatch(name)]
    chosen = [r for r in roles if 0 < number <= len(r) and r[number - 1] == role]
    if not chosen:
        raise UserError(
            f"official split {number} has no clip for {role} among the splits {', '.join(names)}. Prepare "
            "the clips with the script of their data set, which names splits like train-test-train."
        )
    return "+".join("-".join(roles) for roles in chosen)


def held_out_fold(names: Iterable[str], fold: int) -> tuple[str, str]:
    """Returns the training and the test split of cross-validation: all other folds, and `fold`.

    Args:
      names: Splits that there are; others than those of folds do not count.
      fold: From 1.

    Raises:
      UserError: The fold, or every other one, has no clip.
    """
    names = sorted(names)
    folds = [name for name in names if is_fold(name)]
    test = fold_name(fold)
    others = [name for name in folds if name != test]
    if test not in folds or not others:
        raise UserError(
            f"cannot hold out {test} among the splits {', '.join(names)}. Prepare the clips with the "
            "script of their data set, or your own with brave_tf_prepare --folds, which name splits fold1, "
            "fold2, ..."
        )
    return "+".join(others), test


def train_test_splits(names: Iterable[str]) -> list[tuple[str, str]]:
    """Returns training and test split of each official split, or with each fold held out.

    Raises:
      UserError: The splits are named otherwise, or one has no clip to train on or to test.
    """
    names = sorted(names)
    folds = [int(match[1]) for match in map(_FOLD_NAME.fullmatch, names) if match]
    if folds:
        return [held_out_fold(names, fold) for fold in sorted(folds)]
    numbers = max((name.count("-") + 1 for name in names if _ROLE_NAME.fullmatch(name)), default=1)
    return [
        (official_split(names, number, "train"), official_split(names, number, "test"))
        for number in range(1, numbers + 1)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the training and the test split of each official split of a folder of records."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", help="folder of records")
    data = parser.parse_args(arguments).data
    try:
        with open(os.path.join(data, "dataset.json"), encoding="utf-8") as file:
            names = json.load(file)["splits"]
        for number, (train, test) in enumerate(train_test_splits(names), start=1):
            print(f"{number} train {train}\n{number} test {test}")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
