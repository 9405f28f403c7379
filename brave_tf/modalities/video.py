"""What the modalities made of frames share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brave_tf.modalities.base import Modality

if TYPE_CHECKING:
    import numpy as np

    from brave_tf.data.views.base import View
    from brave_tf.evaluation.features.windows import EvalWindows


class VideoModality(Modality):
    """A modality whose views are of the kind `VideoView`."""

    def evaluated(self, view: View, windows: EvalWindows, is_narrow: bool) -> dict[str, Any]:
        size = windows.size or view.size
        return {
            "num_frames": windows.num_frames or view.num_frames * (2 if is_narrow else 1),
            "size": size,
            "resize": windows.resize or (view.resize if size == view.size else None),
            "corner_crops": windows.corner_crops,
        }

    def tested(self, view: View, test_size: int) -> dict[str, Any]:
        return {"size": test_size, "resize": max(view.resize or 0, test_size)}

    def spatial_crops(self, asked: int) -> int:
        return asked

    def still(self, values: np.ndarray) -> np.ndarray | None:
        return self.window_picture(values[len(values) // 2 :][:1])
