"""Memorising: a training loss that falls while the loss on held-out clips rises."""

from __future__ import annotations

import gin

from brave_tf.training.monitors.advice import Advice, Streak


@gin.configurable
class MemorisingWatch:
    """Warns when the loss on held-out clips has been above its lowest for long, and that in training has not.

    Args:
      rise: by how much the held-out loss has to be above its lowest, relative to that.
      patience: how many measurements in a row, one each `train.checkpoint_every` steps, have to be so.
    """

    def __init__(self, rise: float = 0.05, patience: int = 3):
        self._rise = rise
        self._streak = Streak(patience)
        self._best: tuple[float, float, int] | None = None

    def compare(self, step: int, training: float, held_out: float, advice: Advice) -> None:
        """Takes the losses of a step, those of training in the mean over the steps before."""
        if self._best is None or held_out < self._best[0]:
            self._best = held_out, training, step
        lowest, training_then, best_step = self._best
        apart = held_out > lowest + self._rise * abs(lowest) and training < training_then
        if self._streak.lasts("apart", apart):
            advice.give(
                "memorising",
                f"the loss on held-out clips was lowest at step {best_step} ({lowest:.4f}) and is now "
                f"{held_out:.4f}, while the training loss fell from {training_then:.4f} to {training:.4f}: "
                "the clips are being memorised. Use more clips, stronger augmentations or a smaller "
                "backbone, or stop; the checkpoint `best` is that of the lowest held-out loss.",
            )
