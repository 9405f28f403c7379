"""A plug-in of one file: captions as a modality, from the column `caption` of a CSV to exported models.

An `import brave_tf_captions` line of a gin file makes it known to training, see captions.gin, and
`--plugin=brave_tf_captions` to brave_tf_prepare and brave_tf_inspect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import cv2
import gin
import numpy as np
import tensorflow as tf

from brave_tf.data.preparation.clip_encoder import PreparedClip
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.inspection.stored_clip import StoredClip
from brave_tf.interop.signatures import FAR_OUT, Embed, Signatures, Sizes, checked, traced
from brave_tf.modalities.base import Modality, register_modality
from brave_tf.modality_registry import Stored
from brave_tf.models.precision import full_dtype
from brave_tf.pages import clip_pictures, clip_strips, pictures

COLUMN, FIELD = "caption", "CAPTION/text"


@gin.configurable
@dataclasses.dataclass(frozen=True)
class CaptionView(View):
    """The first words of a caption: (words, buckets) float32, 1 in the bucket of each word, else 0.

    Words are runs of letters and digits, in small letters. Which bucket one is in is a hash of it, so that no
    vocabulary is needed, and some words share theirs.

    Attributes:
      words: that are seen; rows after those of a shorter caption are 0.
      buckets: that words are told apart by.
    """

    modality: ClassVar[str] = "captions"
    words: int = 16
    buckets: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("words", "buckets"):
            self._require(field, getattr(self, field) > 0, "a whole number above 0")

    @property
    def duration(self) -> float:
        return 0.0  # What is said of a clip has no length.

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.words, self.buckets)

    @property
    def fields(self) -> tuple[str, ...]:
        return (FIELD,)

    def random_start(self, clip: Clip, seed: tf.Tensor, *, loop: bool) -> tf.Tensor:
        return tf.constant(0.0, tf.float64)

    def encode(self, texts: tf.Tensor) -> tf.Tensor:
        """(B,) string -> (B, words, buckets) float32."""
        small = tf.strings.lower(texts, "utf-8")
        words = tf.strings.split(tf.strings.regex_replace(small, r"[^\pL\pN]+", " "))
        places = tf.strings.to_hash_bucket_fast(words, self.buckets).to_tensor(
            -1, shape=(None, self.words)
        )
        return tf.one_hot(places, self.buckets)  # Zeros for -1.

    def sample(self, clip: Clip, start: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self._augment(self.encode(clip.extra[FIELD][:1])[0], seed)

    def crops(self, clip: Clip, temporal: int = 10, spatial: int = 1) -> tf.Tensor:
        crops = tf.repeat(self.encode(clip.extra[FIELD][:1]), temporal, axis=0)
        return tf.ensure_shape(crops, (temporal, *self.shape))

    def crop_times(self, clip: Clip, temporal: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        nothing = tf.constant(0.0, tf.float64)
        return tf.zeros((temporal,), tf.float64), nothing, nothing

    def preparation(self) -> dict[str, Any]:
        return {}  # The text is in the CSV.


@gin.configurable
def word_average(
    buckets: int = 1024, width: int = 64, name: str = "word_average"
) -> tf.keras.Model:
    """Builds (B, words, buckets) -> (B, width) float32: the mean of what a layer makes of each word.

    Args:
      buckets: of the view.
      width: number of features.
      name: name of the model.
    """
    words = tf.keras.Input((None, buckets), name="words")
    each = tf.keras.layers.Dense(width, activation="relu", name="word")(words)
    mean = tf.keras.layers.GlobalAveragePooling1D(name="embedding", dtype=full_dtype())(each)
    return tf.keras.Model(words, mean, name=name)


@register_modality
class Captions(Modality):
    """What somebody wrote about a clip: one text in records, and `CaptionView`."""

    name = CaptionView.modality
    fields = {FIELD: "string"}
    columns = (COLUMN,)
    flags = "--plugin=brave_tf_captions"

    def views(self) -> tuple[type[View], ...]:
        return (CaptionView,)

    def remedy(self, settings: Mapping[str, Any]) -> str:
        return f"prepare a CSV with a column {COLUMN}, with {self.flags}"

    def store(self, prepared: PreparedClip, settings: PreparationSettings) -> Stored | None:
        caption = dict(prepared.clip.cells).get(COLUMN)
        return Stored({FIELD: [caption.encode("utf-8", "replace")]}) if caption else None

    def signatures(self, name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
        def of_words(words: tf.Tensor) -> dict[str, tf.Tensor]:
            far = "values far beyond 1: expected 1 in the bucket of each word"
            return embed(checked(words, "words", "0 and 1", FAR_OUT, far))

        texts = tf.TensorSpec((None,), tf.string, "text")
        words = tf.TensorSpec((None, *view.shape), tf.float32, "words")
        return {
            name: traced(lambda text: embed(view.encode(text)), texts),
            self.window_signature(name): traced(of_words, words),
        }

    def window_signature(self, view_name: str) -> str:
        return f"{view_name}_words"

    def window_picture(self, values: np.ndarray) -> np.ndarray:
        return pictures.heat(values)

    def clip_picture(self, clip: Clip) -> np.ndarray:
        image = np.full((clip_pictures.HEIGHT, 3 * clip_pictures.HEIGHT, 3), 255, np.uint8)
        text = clip.extra[FIELD][0].numpy().decode(errors="replace")
        for row in range(4):
            line = text[40 * row : 40 * (row + 1)]
            place = (4, 18 + 18 * row)
            cv2.putText(
                image, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0), 1, cv2.LINE_AA
            )
        return image

    def strips(self, clip: StoredClip, seconds: float) -> clip_strips.Strips | None:
        lines = [text.decode(errors="replace") for text in clip.extra[FIELD]]
        return clip_strips.words(COLUMN, lines) if lines else None
