"""Collapse: how much of what a view could tell clips apart by is left in its features and projections."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import numpy as np

from brave_tf.training.monitors.advice import Advice, Streak

# A rank below 2 tells of collapse only where it could be well above.
_FEWEST = 8


def feature_std(features: np.ndarray) -> float:
    """How far features are from collapse: 0 when all clips look the same, towards 1 when they spread.

    The deviation over the batch of each dimension of the L2-normalised features, averaged over the
    dimensions, times sqrt(D) (the collapse measure of SimSiam, section 4.1, made independent of D).

    Args:
      features: (B, D) float.

    Returns:
      A number in [0, 1].
    """
    return float(np.mean(np.std(_unit(features), axis=0)) * np.sqrt(features.shape[-1]))


def mean_cosine(features: np.ndarray) -> float:
    """The cosine between the features of two clips, averaged over all pairs; 1 when all look the same.

    Args:
      features: (B, D) float, B at least 2.

    Returns:
      A number in [-1, 1].
    """
    clips = len(features)
    total = np.sum(np.sum(_unit(features), axis=0) ** 2)
    return float((total - clips) / (clips * (clips - 1)))


def effective_rank(features: np.ndarray) -> float:
    """How many directions the features of a batch vary in: exp(-sum_k p_k log p_k), p = s / sum(s).

    s are the singular values of the features less their mean over the batch (Roy and Vetterli, "The
    effective rank", EUSIPCO 2007; of features: RankMe, Garrido et al., ICML 2023, which does not subtract
    the mean, and so does not see features that are large and the same).

    Args:
      features: (B, D) float.

    Returns:
      A number in [1, min(B - 1, D)]; 0 when all features are the same.
    """
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    # The eigenvalues of the smaller of both products are the squares of the singular values.
    product = centred @ centred.T if centred.shape[0] < centred.shape[1] else centred.T @ centred
    values = np.linalg.eigvalsh(product)
    # What is below is the rounding of zeros.
    values = np.sqrt(values[values > 1e-12 * max(np.sum(np.square(features)), 1e-300)])
    shares = values / np.sum(values)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(values) else 0.0


@gin.configurable
class CollapseWatch:
    """Measures the spread of the features and projections of each view, and warns when they collapse.

    Args:
      least_std: the lowest `feature_std` that is not suspect.
      most_cosine: the highest `mean_cosine` that is not suspect.
      least_rank: the lowest `effective_rank` that is not suspect, in batches of 8 clips or more.
      patience: how many measurements, one each `train.log_every` steps, have to be suspect in a row.
    """

    def __init__(
        self,
        least_std: float = 0.02,
        most_cosine: float = 0.999,
        least_rank: float = 2.0,
        patience: int = 5,
    ):
        self._least_std = least_std
        self._most_cosine = most_cosine
        self._least_rank = least_rank
        self._streak = Streak(patience)

    def measure(
        self, group: str, features: Mapping[str, np.ndarray], advice: Advice
    ) -> dict[str, float]:
        """Returns `<group>/std/<view>`, `<group>/cosine/<view>` and `<group>/effective_rank/<view>`.

        Args:
          group: what they are, `features` or `projections`.
          features: view -> (B, D) float32 of one batch; left out where B is 1 or a value is not finite.
          advice: where warnings go.
        """
        figures = {}
        for view, values in features.items():
            if len(values) < 2 or not np.all(np.isfinite(values)):
                continue
            std, cosine, rank = feature_std(values), mean_cosine(values), effective_rank(values)
            figures[f"{group}/std/{view}"] = std
            figures[f"{group}/cosine/{view}"] = cosine
            figures[f"{group}/effective_rank/{view}"] = rank
            narrow = min(values.shape) >= _FEWEST and rank < self._least_rank
            suspect = std < self._least_std or cosine > self._most_cosine or narrow
            if self._streak.lasts(f"{group} of {view}", suspect):
                advice.give(
                    f"collapse of {view}",
                    f"the {group} of view {view!r} hardly differ between clips: standard deviation "
                    f"{std:.3f}, mean cosine {cosine:.4f}, effective rank {rank:.1f} of {min(values.shape)}. "
                    "Lower the learning rate or lengthen its warm-up, raise the "
                    "predictor's multiplier or use a larger batch, and start anew: runs do not recover.",
                )
        return figures


def _unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norms, 1e-12)
