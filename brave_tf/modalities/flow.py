"""Optical flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brave_tf.data.records import fields as record_fields
from brave_tf.modalities.base import register_modality
from brave_tf.modalities.video import VideoModality
from brave_tf.modality_registry import Stored

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from brave_tf.data.preparation.clip_encoder import PreparedClip
    from brave_tf.data.preparation.settings import PreparationSettings
    from brave_tf.data.records.modalities import Held
    from brave_tf.data.records.reader import Clip
    from brave_tf.data.views.base import Augmentation, View
    from brave_tf.inspection.stored_clip import StoredClip
    from brave_tf.interop.signatures import Embed, Signatures, Sizes
    from brave_tf.pages.clip_strips import Strips


@register_modality
class Flow(VideoModality):
    """Optical flow: a JPEG for each frame in records, with `FlowView` and `FlowPictureView`. It takes too
    long to be computed while media files are read."""

    name = "flow"
    fields = {record_fields.FLOW: "string"}
    context = {record_fields.FLOW_BOUND: "float32"}
    flags = "--flow=tvl1"
    rank = 1

    def views(self) -> tuple[type[View], ...]:
        from brave_tf.data.views.flow import FlowView
        from brave_tf.data.views.flow_picture import FlowPictureView

        return (FlowView, FlowPictureView)

    def store(self, prepared: PreparedClip, settings: PreparationSettings) -> Stored | None:
        if prepared.flow is None:
            return None
        return Stored(
            {record_fields.FLOW: prepared.flow}, {record_fields.FLOW_BOUND: settings.flow_bound}
        )

    def advice(self, held: Held) -> str:
        if not held.has(["rgb"]) or held.has([self.name]):
            return ""
        return "Those with flow need records that have it: brave_tf_prepare --flow=dis (or tvl1)."

    def augmentations(self) -> tuple[Augmentation, ...]:
        from brave_tf.data.augment.random_flip import random_flip

        return (random_flip,)

    def signatures(self, name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
        import tensorflow as tf

        from brave_tf.data.views.flow_picture import FlowPictureView
        from brave_tf.interop.video_signatures import VALUE_OF_PIXEL, video_signatures

        def decoded(pixels: tf.Tensor) -> tf.Tensor:
            # The inverse of `round((u + bound) * 255 / (2 * bound))`, in units of bound.
            return pixels * (2 * VALUE_OF_PIXEL) - 1.0

        if isinstance(view, FlowPictureView):
            return video_signatures(
                name,
                view,
                sizes,
                embed,
                expected="pictures of flow in [0, 1]",
                decode=lambda pixels: view.picture(decoded(pixels)),
                stored_channels=view.channels,
            )

        def resized(values: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
            return tf.clip_by_value(values * scale, -1.0, 1.0)

        return video_signatures(
            name,
            view,
            sizes,
            embed,
            expected="flow in [-1, 1]",
            decode=decoded,
            # Records keep flow in the first channels of colour images.
            stored_channels=None,
            resized=resized,
        )

    def window_picture(self, values: np.ndarray) -> np.ndarray | None:
        from brave_tf.pages import window_pictures

        return window_pictures.flow(values)

    def clip_picture(self, clip: Clip) -> np.ndarray | None:
        from brave_tf.pages import clip_pictures

        frames = clip_pictures.frames(clip.flow)
        colours = clip_pictures.flow_colours(frames, float(clip.flow_bound))
        return clip_pictures.side_by_side(colours)

    def strips(self, clip: StoredClip, seconds: float) -> Strips | None:
        from brave_tf.pages import clip_strips

        return clip_strips.flow(clip.flow, clip.flow_bound, seconds) if clip.flow else None
