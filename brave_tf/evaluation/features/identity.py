"""What a result is of: the weights of a model, the data, and the settings, whatever their folders are called.

Results, predictions, charts and the runs that an evaluation trains are told apart by it: a folder may hold
another model than before, and one model may be named by several paths.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from brave_tf import config
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.features.windows import told_augmentations, usual_augmentations
from brave_tf.storage.added_fields import told_text
from brave_tf.storage.digests import digest_of_texts
from brave_tf.training.resumption import run_id

# What only training reads: a run that goes on for more steps keeps the results that it has.
_OF_TRAINING = ("brave_tf.training",)


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a result is of. Two are equal if the same would be measured.

    Attributes:
      weights: SHA-256 of the values of the backbone's weights, hexadecimal; of a supervised baseline, of what
        stands for those that it begins with.
      precision: that the model computes in, a policy of Keras.
      data: SHA-256 of the clips, see `of_data`.
      settings: SHA-256 of the view and of what is bound, but for training.
      run: id of the run that the model is of, None where there is none. Not compared.
    """

    weights: str
    precision: str
    data: str
    settings: str
    run: str | None = dataclasses.field(default=None, compare=False)


def identify(probe: Probe, data_dir: str) -> Identity:
    """Returns the identity of what is measured by a probe on data, by the configuration that is loaded."""
    # The functions have no lasting text: those that are not bound go by name.
    told = told_augmentations(probe.view, usual_augmentations(probe.view))
    view = dataclasses.replace(probe.view, augmentations=(), step_augmentations=())
    return Identity(
        weights=probe.backbone.weights,
        precision=probe.backbone.precision,
        data=of_data(data_dir),
        settings=digest_of_texts(told_text(view), *told, config.bindings_text(_OF_TRAINING)),
        run=None if probe.backbone.source is None else run_id(probe.backbone.source.location),
    )


def of_data(data_dir: str, splits: Sequence[str] | None = None) -> str:
    """Returns a SHA-256 of the clips in a folder, the same for a copy of records elsewhere.

    Of records it is that of dataset.json's hashes; of media files that of their names, sizes and times of
    change, as of all files of a folder that is neither.

    Args:
      data_dir: folder of prepared records, or media files.
      splits: of the clips; None for all that there are.
    """
    try:
        source = open_source(data_dir)
        splits = source.split_names if splits is None else splits
        return digest_of_texts(*(f"{split} {source.version(split)}" for split in splits))
    except (UserError, OSError):
        # The task says what is wrong, or reads data of a kind of its own.
        return digest_of_texts(os.path.realpath(data_dir), *_listed(pathlib.Path(data_dir)))


def _listed(folder: pathlib.Path) -> list[str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = ((path.relative_to(folder), path.stat()) for path in files)
    return [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
