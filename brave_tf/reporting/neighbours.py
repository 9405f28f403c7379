"""What a report shows of nearest neighbours."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Union

from markupsafe import Markup

from brave_tf.config import load_config
from brave_tf.data.views.base import View
from brave_tf.errors import UserError, message
from brave_tf.evaluation.features.identity import of_data
from brave_tf.reporting.film_strips import film_strips
from brave_tf.reporting.predictions import Neighbours, read_neighbours
from brave_tf.reporting.runs import Run
from brave_tf.reporting.tables import series_name
from brave_tf.training.recipe import CONFIG_FILE, Recipe, bound

# Data, its hash, split and view -> name of a result -> its neighbours, and a folder whose configuration makes
# the view.
Groups = dict[tuple[str, Union[str, None], str, str], tuple[dict[str, Neighbours], pathlib.Path]]


@dataclasses.dataclass(frozen=True)
class Shown:
    """Film strips of a data set and view.

    Attributes:
      view: its name.
      where: the data set.
      strips: None where the clips cannot be shown.
      error: why they cannot.
    """

    view: str
    where: str
    strips: Markup | None
    error: str | None = None


def neighbour_figures(runs: Sequence[Run]) -> Iterator[Shown]:
    """Draws film strips for each data set and view whose results kept neighbours."""
    for (data_dir, data, split, view_name), (found, folder) in _groups(runs).items():
        where = f"{data_dir}, {split}" if split else data_dir
        try:
            view = _view(folder, view_name)
            _check_data(data_dir, data)
            yield Shown(view_name, where, film_strips(found, view))
        except UserError as error:
            yield Shown(view_name, where, None, message(error))


def _check_data(data_dir: str, data: str | None) -> None:
    """Makes sure that a folder holds the clips that were compared: the path is what the result says.

    Raises:
      UserError: it does not, or nobody knows. Else a result from elsewhere could have any pictures and sound
        of the reader's shown in the report.
    """
    if not os.path.isdir(data_dir):
        raise UserError(f"{data_dir} is no folder here.")
    if not data:
        raise UserError(
            f"the result does not say which clips of {data_dir} it is of: run the task again."
        )
    # Clips are named by their numbers.
    if of_data(data_dir) != data:
        raise UserError(
            f"{data_dir} holds other clips than when they were compared, or was read with other bindings."
        )


def _groups(runs: Sequence[Run]) -> Groups:
    groups: Groups = {}
    for run in runs:
        for entry in run.latest():
            settings = entry.content["settings"]
            data_dir = settings.get("data")
            if entry.predictions is None or data_dir is None:
                continue
            found = read_neighbours(entry.predictions, data_dir, entry.view, entry.content)
            if found:
                key = (data_dir, entry.data, settings.get("test_split") or "", entry.view)
                named, _ = groups.setdefault(key, ({}, run.folder))
                # Tasks that compare the same features find the same neighbours.
                named.setdefault(series_name(run, entry), found)
    return groups


def _view(folder: pathlib.Path, name: str) -> View:
    load_config([], model=str(folder / CONFIG_FILE))
    return bound(Recipe).views[name]
