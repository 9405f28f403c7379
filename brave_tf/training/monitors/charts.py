"""What TensorBoard shows of a run: the one place that writes its event files."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import logging
from tensorboard.plugins.image import metadata

TRAIN, HELD_OUT = "train", "held_out"


class Charts:
    """Writes scalars, texts and pictures; a run is worth more than its charts, so that failures are warnings.

    Args:
      folder: TensorBoard's, with a sub-folder for each of `train` and `held_out`.
      enabled: False writes nothing, for the workers of a run that are not its chief.
    """

    def __init__(self, folder: pathlib.Path, enabled: bool = True):
        self.folder = folder
        self.enabled = enabled
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def scalars(self, values: Mapping[str, float], step: int, run: str = TRAIN) -> None:
        """Adds a point to each chart."""
        with self._writing(run, step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def text(self, name: str, markdown: str, step: int = 0) -> None:
        """Shows a text."""
        with self._writing(TRAIN, step):
            tf.summary.text(name, markdown)

    def pictures(self, name: str, images: Sequence[np.ndarray], step: int) -> None:
        """Shows (H, W, 3) uint8 pictures beside each other, as JPEGs: PNGs of noise are large."""
        height, width, _ = images[0].shape
        encoded = [str(width), str(height), *map(tf.io.encode_jpeg, images)]
        about = metadata.create_summary_metadata(
            display_name=None, description="", converted_to_tensor=None
        )
        with self._writing(TRAIN, step):
            tf.summary.write(name, tf.stack(encoded), metadata=about)

    @contextlib.contextmanager
    def _writing(self, run: str, step: int) -> Iterator[None]:
        if not self.enabled:
            # Without a writer, summaries go nowhere.
            yield
            return
        try:
            if run not in self._writers:
                self._writers[run] = tf.summary.create_file_writer(str(self.folder / run))
            with self._writers[run].as_default(step=step):
                yield
            self._writers[run].flush()
        except tf.errors.OpError as error:
            logging.warning("the charts of step %d could not be written: %s", step, error.message)
