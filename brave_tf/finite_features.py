"""Features that are NaN or infinite are refused wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brave_tf.errors import UserError

_NAMED = 5


def check_finite(features: np.ndarray, paths: Sequence[str], model: str, view: str) -> None:
    """Makes sure that features can be scored and kept.

    Args:
      features: (rows, ..., D) float.
      paths: of the clip of each row.
      model: that they are of: a folder or `module:name`.
      view: name of the view.

    Raises:
      UserError: one is NaN or infinite.
    """
    rows = features.reshape(len(features), -1)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if not len(bad):
        return
    kinds: dict[str, str] = {}
    for row in bad:
        kinds.setdefault(str(paths[row]), "NaN" if np.isnan(rows[row]).any() else "infinite")
    named = ", ".join(f"{path} ({kind})" for path, kind in list(kinds.items())[:_NAMED])
    more = f" and {len(kinds) - _NAMED:,} more" if len(kinds) > _NAMED else ""
    raise UserError(
        f"{model}, view {view!r}: the features of {len(kinds):,} of {len(set(map(str, paths))):,} clips are "
        f"not finite: {named}{more}. Look at these clips with brave_tf_inspect; if nothing is wrong with "
        "them, the weights are not finite or too large for the precision: take an earlier checkpoint, or "
        "compute in float32."
    )
