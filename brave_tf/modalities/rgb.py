"""Colour frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brave_tf.data.records import fields as record_fields
from brave_tf.modalities.base import register_modality
from brave_tf.modalities.video import VideoModality
from brave_tf.modality_registry import PICTURES, Stored

if TYPE_CHECKING:
    import numpy as np

    from brave_tf.data.preparation.clip_encoder import PreparedClip
    from brave_tf.data.preparation.settings import PreparationSettings
    from brave_tf.data.records.reader import Clip
    from brave_tf.data.views.base import Augmentation, View
    from brave_tf.inspection.stored_clip import StoredClip
    from brave_tf.interop.signatures import Embed, Signatures, Sizes
    from brave_tf.pages.clip_strips import Strips


@register_modality
class Rgb(VideoModality):
    """Colour frames: a JPEG each in records, and `RgbView`."""

    name = "rgb"
    fields = {record_fields.IMAGE: "string"}
    context = {
        record_fields.IMAGE_RATE: "float32",
        record_fields.IMAGE_HEIGHT: "int64",
        record_fields.IMAGE_WIDTH: "int64",
    }
    media = PICTURES
    rank = 0

    def views(self) -> tuple[type[View], ...]:
        from brave_tf.data.views.rgb import RgbView

        return (RgbView,)

    def store(self, prepared: PreparedClip, settings: PreparationSettings) -> Stored | None:
        if prepared.frames is None:
            return None
        context = {
            record_fields.IMAGE_RATE: settings.fps,
            record_fields.IMAGE_HEIGHT: prepared.height,
            record_fields.IMAGE_WIDTH: prepared.width,
        }
        return Stored({record_fields.IMAGE: prepared.frames}, context)

    def augmentations(self) -> tuple[Augmentation, ...]:
        from brave_tf.data.augment.random_color import random_color
        from brave_tf.data.augment.random_flip import random_flip

        return (random_flip, random_color)

    def signatures(self, name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
        from brave_tf.interop.video_signatures import VALUE_OF_PIXEL, video_signatures

        return video_signatures(
            name,
            view,
            sizes,
            embed,
            expected="rgb in [0, 1]",
            decode=lambda pixels: pixels * VALUE_OF_PIXEL,
            stored_channels=view.channels,
        )

    def window_picture(self, values: np.ndarray) -> np.ndarray | None:
        from brave_tf.pages import window_pictures

        return window_pictures.frames(values)

    def clip_picture(self, clip: Clip) -> np.ndarray | None:
        from brave_tf.pages import clip_pictures

        return clip_pictures.side_by_side(clip_pictures.frames(clip.images))

    def strips(self, clip: StoredClip, seconds: float) -> Strips | None:
        from brave_tf.pages import clip_strips

        return clip_strips.frames(clip.images, seconds) if clip.images else None
