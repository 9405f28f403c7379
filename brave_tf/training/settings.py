"""What a run needs beside its recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.optimizers import Optimizer

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@gin.configurable("train")
@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run needs beside its recipe; bound in gin as `train.<name>`.

    Attributes:
      data_dir: folder of clip records, or media files: a folder or a CSV that lists them.
      optimizer: makes the optimizer; called once, inside the strategy's scope.
      batch_size: clips of a step, over all devices.
      accumulate_steps: a step goes through its clips in so many equal parts, one after the other, and adds
        their gradients up: less memory for the same step, except that batch normalisation sees one part
        at a time.
      num_steps: optimizer steps of the whole run.
      split: split that is trained on; 'a+b' for two, '*' for all that there are, such as all folds.
      data_service: 'grpc://host:port' of the tf.data service whose workers make the training clips, see
        `brave_tf_data_service` and `clip_dataset`; None: this process makes them.
      initial_weights: folder of a run or of an exported model whose backbones a new run begins with, those
        of the views of the same name; None: random weights. Not read any more once there is a checkpoint.
      initial_parts: what a new run begins with beside these: part of the objective -> folder of a run that
        has a part of that name, or (folder, its name there). Parts are named by attributes, and by names
        within these: 'bank', 'heads/narrow', 'backbones/flow'. What has a row for each clip is taken from
        runs on the same clips alone.
      initial_checkpoint: of a run in `initial_weights` and `initial_parts`: `last`, `best` or a step.
      held_out_split: split on which the loss is measured at every checkpoint, or None.
      held_out_every: keeps one clip in so many of `split` from training, for the loss to be measured on
        these; None: trains on all.
      held_out_batches: at most so many batches of the clips that are held out.
      probe: makes what is measured on features at every checkpoint, such as `@OnlineKnn`: (data_dir, views)
        -> a function of the objective that returns tag -> number; None for nothing.
      monitors: make further monitors of the run, such as `[@MyWatch]`: what acts now and then while it goes
        on, see `Monitor`.
      strategy: `auto`, `one_device`, `mirrored`, `multi_worker` or `tpu`; see `make_strategy`.
      tpu: name of the TPU; None for that in the environment variable TPU_NAME.
      seed: the seed of everything random in the run.
      precision: Keras' policy: `float32`, `mixed_bfloat16` or `mixed_float16`.
      jit_compile: compile the step with XLA.
      deterministic: use only operations that give the same bits every time, so that a resumed run ends with
        the weights of one that was not disturbed. Off by default: on a GPU many are slower, and a model
        with one that has no such form ends with an error. It stays on as long as the process lives.
      log_every: steps between logs.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: how many of the newest are kept, beside the best.
      keep_every: checkpoints of the multiples of this many steps are kept for good; None: of none.
    """

    data_dir: str = gin.REQUIRED
    optimizer: Callable[[], Optimizer] = gin.REQUIRED
    batch_size: int = gin.REQUIRED
    num_steps: int = gin.REQUIRED
    accumulate_steps: int = 1
    split: str = "train"
    data_service: str | None = None
    initial_weights: str | None = None
    initial_parts: Mapping[str, str | Sequence[str]] | None = None
    initial_checkpoint: str = "last"
    held_out_split: str | None = None
    held_out_every: int | None = None
    held_out_batches: int = 10
    probe: Callable[..., Callable[[tf.keras.Model], Mapping[str, float]]] | None = None
    monitors: Sequence[Callable[[], Monitor]] = ()
    strategy: str = "auto"
    tpu: str | None = None
    seed: int = 0
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    log_every: int = 100
    checkpoint_every: int = 1000
    keep_checkpoints: int = 3
    keep_every: int | None = None

    def __post_init__(self) -> None:
        positive = ("batch_size", "accumulate_steps", "num_steps", "held_out_batches", "log_every")
        positive += ("checkpoint_every", "keep_checkpoints")
        for name in (*positive, *(("keep_every",) if self.keep_every is not None else ())):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise errors.UserError(
                    f"train.{name} = {value!r}: expected a whole number of at least 1."
                )
        every = self.held_out_every
        if every is not None and (not isinstance(every, int) or every < 2 or self.held_out_split):
            raise errors.UserError(
                f"train.held_out_every = {every!r}, held_out_split = {self.held_out_split!r}: expected one "
                "of the two, every as a whole number of at least 2."
            )
        if not isinstance(self.seed, int):
            raise errors.UserError(f"train.seed = {self.seed!r}: expected a whole number.")
        if self.precision not in PRECISIONS:
            raise errors.UserError(
                f"train.precision = {self.precision!r}: expected one of {', '.join(PRECISIONS)}."
                f"{errors.did_you_mean(str(self.precision), PRECISIONS)}"
            )
