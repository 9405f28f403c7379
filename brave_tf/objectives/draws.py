"""What a step draws by chance: the same on all replicas, and after a resume."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from brave_tf.objectives.replicas import clip_positions
from brave_tf.objectives.state import State, state_variable

# What XLA compiles draws the same bits by this algorithm, and no other; not the same fractions.
_ALGORITHM = "philox"
_FRACTIONS = 2**53


class Draws(State):
    """Seeds of the steps, one after the other, from the seed of a run.

    They do not come from the number of optimizer steps, which stands still while steps only fill state.

    Args:
      name: of the draws.

    Attributes:
      seed: (2,) int64, of the next step: a number that numpy's seeded generator gave, and the step's.
    """

    def __init__(self, name: str = "draws"):
        super().__init__(name)
        first = tf.constant([np.random.randint(2**31), 0], tf.int64)
        self.seed = state_variable(first, f"{name}/seed")

    def chance(self, index: int) -> tf.Tensor:
        """Returns () float64 in [0, 1), uniform.

        Args:
          index: of what is drawn; a step may draw several things.
        """
        below = tf.math.floormod(self._bits((), index), _FRACTIONS)
        return tf.cast(below, tf.float64) / _FRACTIONS

    def permutation(self, index: int, count: int) -> tf.Tensor:
        """Returns (count,) int32, the numbers below `count` in any order; `index` is as for `chance`."""
        return tf.argsort(self._bits((count,), index))

    def numbers(
        self, index: int, clips: int | tf.Tensor, each: int, below: int, training: bool
    ) -> tf.Tensor:
        """Draws for each clip of this replica: (B, each) int64, uniform in [0, below).

        Args:
          index: as for `chance`.
          clips: B, of this replica.
          each: numbers for one clip.
          below: what all numbers are below.
          training: False: the same in all steps, so that held-out losses can be compared.
        """
        total = clips * tf.distribute.get_strategy().num_replicas_in_sync
        seed = self.seed if training else tf.stack([self.seed[0], -1])
        drawn = tf.math.floormod(self._bits((total, each), index, seed), below)
        return tf.gather(drawn, clip_positions(clips))

    def advance(self) -> None:
        """Goes on to the next step; for `Terms.writes`."""
        self.seed.assign(self.seed + tf.constant([0, 1], tf.int64))

    def _bits(self, shape: tuple, index: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        number, seed = tf.constant(index, tf.int64), self.seed if seed is None else seed
        seed = tf.random.experimental.stateless_fold_in(seed, number, alg=_ALGORITHM)
        every = {"minval": None, "maxval": None, "dtype": tf.int64}
        return tf.random.stateless_uniform(shape, seed, alg=_ALGORITHM, **every)
