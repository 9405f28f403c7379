"""The view that hears the clip."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gin
import tensorflow as tf

from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import Clip
from brave_tf.data.views import sampling
from brave_tf.data.views.base import Augmentation, View
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.spectrogram import Spectrogram
from brave_tf.storage.added_fields import added_field

# What makes the seed of the augmentations of sound another one than those of the spectrogram.
_OF_SOUND = 2**16


@gin.configurable
@dataclasses.dataclass(frozen=True)
class AudioView(View):
    """Sound as a spectrogram: (frames, bins) float32, see `LogMel`.

    The defaults are the audio view of the released BraVe code: 10.24 s at 48 kHz, (3072, 80), not augmented.
    A window that runs over the end starts again with the frames of the clip: see `sampling.audio_window`.

    Attributes:
      duration: seconds of sound.
      log_mel: the spectrogram, and the sample rate that records must have: `LogMel`, `LogSpectrogram`,
        `LogFilterBank`, or another `Spectrogram`.
      sound_augmentations: functions (samples, seed) -> samples, applied in this order to the (num_samples,)
        of a training window before the spectrogram is made, such as `@random_volume`.
    """

    modality: ClassVar[str] = "audio"
    reversible: ClassVar[bool] = True
    duration: float = 10.24
    log_mel: Spectrogram = dataclasses.field(default_factory=LogMel)
    sound_augmentations: tuple[Augmentation, ...] = added_field(())

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sound_augmentations", tuple(self.sound_augmentations))
        self._require(
            "sound_augmentations",
            all(map(callable, self.sound_augmentations)),
            "functions, which gin lists as @name without parentheses",
        )
        self._require("duration", self.duration > 0, "seconds above 0")
        self._require(
            "duration",
            self.num_samples >= self.log_mel.frame_length,
            f"at least one spectrogram frame, {self.log_mel.frame_length / self.sample_rate:g} s",
        )

    @property
    def sample_rate(self) -> int:
        """Samples per second, Hz."""
        return self.log_mel.sample_rate

    @property
    def num_samples(self) -> int:
        """Samples of the window."""
        return round(self.duration * self.sample_rate)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.log_mel.frames(self.num_samples), self.log_mel.bins)

    @property
    def fields(self) -> tuple[str, ...]:
        return (record_fields.AUDIO,)

    def random_start(self, clip: Clip, seed: tf.Tensor, *, loop: bool) -> tf.Tensor:
        window = tf.constant(self.num_samples)
        first = sampling.random_start(tf.size(clip.audio), window, seed, loop=loop)
        return tf.cast(first, tf.float64) / self.sample_rate

    def places(self, clip: Clip) -> sampling.Places:
        rate = tf.constant(self.sample_rate, tf.float64)
        return sampling.Places(tf.size(clip.audio), tf.constant(self.num_samples), rate)

    def window(self, clip: Clip, start: tf.Tensor) -> tf.Tensor:
        """Cuts the sound from `start`, () float64 seconds: (num_samples,) float32."""
        first = tf.cast(tf.round(tf.cast(start, tf.float64) * self.sample_rate), tf.int32)
        return sampling.audio_window(clip.audio, first, self.num_samples, self._period(clip))

    def sample(self, clip: Clip, start: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        sound = self.window(clip, start)
        of_sound = tf.random.experimental.stateless_fold_in(seed, _OF_SOUND)
        for index, augmentation in enumerate(self.sound_augmentations):
            of_this = tf.random.experimental.stateless_fold_in(of_sound, index)
            sound = tf.ensure_shape(augmentation(sound, of_this), (self.num_samples,))
        return self._augment(self._spectrogram(sound), seed)

    def crops(self, clip: Clip, temporal: int = 10, spatial: int = 1) -> tf.Tensor:
        del spatial
        window = tf.constant(self.num_samples)
        length = sampling.extended_length(tf.size(clip.audio), window)
        starts = sampling.linear_starts(length, window, temporal)
        period = tf.size(clip.audio)
        windows = [
            sampling.audio_window(clip.audio, start % period, self.num_samples, period)
            for start in tf.unstack(starts)
        ]
        return tf.ensure_shape(self._spectrogram(tf.stack(windows)), (temporal, *self.shape))

    def _spectrogram(self, pcm: tf.Tensor) -> tf.Tensor:
        """Like `log_mel`; with an error when run where samples are no numbers, or too large for it."""
        message = "sound holds samples that are not finite, or far beyond full scale"
        return tf.debugging.check_numerics(self.log_mel(pcm), message)

    def crop_times(self, clip: Clip, temporal: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rate = tf.constant(self.sample_rate, tf.float64)
        window = tf.constant(self.num_samples)
        return sampling.linear_times(tf.size(clip.audio), window, rate, temporal)

    def preparation(self) -> dict[str, Any]:
        return {"audio": "float", "sample_rate": self.sample_rate}

    def _period(self, clip: Clip) -> tf.Tensor:
        """Returns () int32: the samples that the clip's frames last, or its sound where it has none."""
        seconds = tf.cast(clip.num_frames, tf.float64) / clip.frame_rate
        of_frames = tf.cast(tf.round(seconds * self.sample_rate), tf.int32)
        return tf.where(of_frames > 0, of_frames, tf.size(clip.audio))
