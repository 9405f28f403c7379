"""BraVe: Broaden Your Views for Self-Supervised Video Learning (ICCV 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.objectives import base
from brave_tf.objectives.base import NARROW
from brave_tf.objectives.regression import regression_loss

Builder = Callable[..., tf.keras.Model]


@gin.configurable
class BraVe(base.Objective):
    """The narrow view and each broad view regress each other's projections, in both directions.

    With z = projector(backbone(view)) and h = predictor(z), the terms of a broad view b are
    `narrow_to_b`: regression_loss(h_narrow, z_b), and `b_to_narrow`: regression_loss(h_b, z_narrow)
    (paper, section 3.1). The paper adds the two directions and averages over broad views, which is
    `loss_scale` 2; the released code halves the distance and averages over all terms, which is
    `loss_scale` 0.5.

    Args:
      backbones: view name -> backbone, or the name of another view, whose backbone and heads it shares;
        `narrow` is the narrow view, all others are broad.
      projector: builds a projector, `projector(input_size, name=...)`.
      predictor: builds a predictor, `predictor(input_size, name=...)`.
      heads: `per_view` draws one projector and one predictor for each view (the paper);
        `shared` uses one pair for all views (the released code) and needs equal feature sizes.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: no view `narrow` or no other one, unknown `heads`, or shared heads over unequal
        feature sizes.
    """

    def __init__(
        self,
        backbones: base.Backbones,
        projector: Builder = heads_lib.projector,
        predictor: Builder = heads_lib.predictor,
        heads: str = "per_view",
        loss_scale: float = 2.0,
    ):
        super().__init__(backbones, loss_scale)
        if NARROW not in self.backbones or len(self.backbones) < 2:
            raise errors.UserError(
                f"BraVe.backbones has {list(self.backbones)}: a view called {NARROW!r} and at least one "
                "broad view are needed."
            )
        if heads not in ("shared", "per_view"):
            raise errors.UserError(f"BraVe.heads = {heads!r}: expected 'shared' or 'per_view'.")
        self.shared = heads == "shared"
        if self.shared:
            pair = _head_pair(self._common_feature_size(), projector, predictor, "shared")
            pairs = dict.fromkeys(self.backbones, pair)
        else:
            pairs, of_backbone = {}, {}
            for view, backbone in self.backbones.items():
                if id(backbone) not in of_backbone:
                    pair = _head_pair(self.feature_size(view), projector, predictor, view)
                    of_backbone[id(backbone)] = pair
                pairs[view] = of_backbone[id(backbone)]
        self.projectors = {view: pair[0] for view, pair in pairs.items()}
        self.predictors = {view: pair[1] for view, pair in pairs.items()}

    def _common_feature_size(self) -> int:
        sizes = {view: self.feature_size(view) for view in self.backbones}
        if len(set(sizes.values())) > 1:
            raise errors.UserError(
                f"BraVe.heads = 'shared' needs equal feature sizes, but the backbones have {sizes}: "
                "bind BraVe.heads = 'per_view' or choose other backbones."
            )
        return next(iter(sizes.values()))

    @property
    def broad(self) -> list[str]:
        """Names of the broad views, in the released code's order, video before audio."""
        return sorted(set(self.backbones) - {NARROW}, reverse=True)

    @property
    def term_names(self) -> list[str]:
        return [name for b in self.broad for name in (f"{NARROW}_to_{b}", f"{b}_to_{NARROW}")]

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes both directions' losses of each broad view; see the class."""
        features = self(batch, training=training)
        z, h, losses = {}, {}, {}
        for broad in self.broad:
            for view in (broad, NARROW):
                # Shared heads count the narrow view in their averages once for each broad view.
                if self.shared or view not in z:
                    z[view] = self.projectors[view](features[view], training=training)
                    h[view] = self.predictors[view](z[view], training=training)
            losses[f"{NARROW}_to_{broad}"] = regression_loss(h[NARROW], z[broad])
            losses[f"{broad}_to_{NARROW}"] = regression_loss(h[broad], z[NARROW])
        return base.Terms(losses, features, {}, projections=z)


def _head_pair(
    feature_size: int, projector: Builder, predictor: Builder, view: str
) -> tuple[tf.keras.Model, tf.keras.Model]:
    project = projector(feature_size, name=f"{view}_projector")
    predict = predictor(project.output_shape[-1], name=f"{view}_predictor")
    return project, predict
