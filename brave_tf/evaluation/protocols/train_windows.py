"""Which windows of the training clips a protocol learns from."""

from __future__ import annotations

from brave_tf.errors import UserError, did_you_mean
from brave_tf.evaluation.features.feature_bank import ClipFeatures, FeatureBank

AUGMENTED, CROPS = "augmented", "crops"


def check_train_windows(protocol: str, value: str) -> None:
    """Raises UserError for what `train_features` does not know."""
    if value not in (AUGMENTED, CROPS):
        raise UserError(
            f"{protocol}.train_windows = {value!r}: expected '{AUGMENTED}' or '{CROPS}'."
            f"{did_you_mean(str(value), (AUGMENTED, CROPS))}"
        )


def train_features(bank: FeatureBank, split: str, train_windows: str) -> ClipFeatures:
    """Returns the features of the training clips.

    Args:
      bank: of the clips.
      split: of the training clips.
      train_windows: 'augmented': the augmented passes, (clips, train_passes, D); 'crops': the means of the
        same crops as of test clips, (clips, 1, D), as in the literature on retrieval.
    """
    return bank.test(split) if train_windows == CROPS else bank.train(split)
