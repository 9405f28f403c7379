"""A clip record with everything that it holds, as plain values."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.media import tfio
from brave_tf.data.records import fields
from brave_tf.data.records.reader import (
    DEFAULT_FLOW_BOUND,
    DEFAULT_FRAME_RATE,
    DEFAULT_SAMPLE_RATE,
    RATES,
    SEQUENCE_FIELDS,
    further_fields,
)

_CONTEXT = {
    fields.IMAGE_RATE: tf.float32,
    fields.IMAGE_HEIGHT: tf.int64,
    fields.IMAGE_WIDTH: tf.int64,
    fields.AUDIO_RATE: tf.float32,
    fields.FLOW_BOUND: tf.float32,
    fields.LABEL_INDEX: tf.int64,
    fields.LABEL_TEXT: tf.string,
    fields.PATH: tf.string,
    fields.START: tf.int64,
    fields.END: tf.int64,
}


@dataclasses.dataclass(frozen=True)
class StoredClip:
    """One clip record.

    Attributes:
      path: the file that the clip comes from; empty where the record does not say.
      start: microseconds in that file at which it starts.
      end: microseconds in that file at which it ends; None where the record does not say.
      labels: indices.
      texts: of the labels.
      stated_frame_rate: frames per second, None where the record does not say.
      stated_sample_rate: Hz, likewise.
      stated_size: height and width of the frames, likewise.
      flow_bound: the displacement in pixels that the flow's 0 and 255 stand for.
      images: a JPEG per frame.
      flow: a JPEG per frame.
      pcm: (samples,) float32; empty where sound is kept as FLAC.
      flac: FLAC files, one or none.
      extra: fields of other modalities -> values, bytes or numbers; what the record lacks is empty.
    """

    path: str
    start: int
    end: int | None
    labels: tuple[int, ...]
    texts: tuple[str, ...]
    stated_frame_rate: float | None
    stated_sample_rate: float | None
    stated_size: tuple[int, int] | None
    flow_bound: float
    images: list[bytes]
    flow: list[bytes]
    pcm: np.ndarray
    flac: list[bytes]
    extra: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> StoredClip:
        """Parses a serialized `tf.train.SequenceExample`.

        Raises:
          tf.errors.InvalidArgumentError: the bytes are no SequenceExample, a field has another type than a
            clip's, or a rate is outside `reader.RATES`.
        """
        further = further_fields()
        parse = _parser(tuple(sorted(further.items())))
        values = {name: tensor.numpy() for name, tensor in parse(tf.constant(data)).items()}

        def first(name: str, default: object = None) -> object:
            return values[name][0].item() if len(values[name]) else default

        _check_rates(values)
        height, width = first(fields.IMAGE_HEIGHT), first(fields.IMAGE_WIDTH)
        return cls(
            path=_text(values[fields.PATH][0]) if len(values[fields.PATH]) else "",
            start=first(fields.START, 0),
            end=first(fields.END),
            labels=tuple(values[fields.LABEL_INDEX].tolist()),
            texts=tuple(map(_text, values[fields.LABEL_TEXT])),
            stated_frame_rate=first(fields.IMAGE_RATE),
            stated_sample_rate=first(fields.AUDIO_RATE),
            stated_size=(height, width) if height and width else None,
            flow_bound=first(fields.FLOW_BOUND, DEFAULT_FLOW_BOUND),
            images=list(values[fields.IMAGE]),
            flow=list(values[fields.FLOW]),
            pcm=values[fields.AUDIO],
            flac=list(values[fields.AUDIO_FLAC]),
            extra={name: values[name] for name in further},
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the record has."""
        held: dict[str, Any] = {
            fields.IMAGE: self.images,
            fields.FLOW: self.flow,
            fields.AUDIO: self.pcm,
            fields.AUDIO_FLAC: self.flac,
            **self.extra,
        }
        return modalities.held_in([field for field, values in held.items() if len(values)])

    @property
    def has_sound(self) -> bool:
        """Whether the record has sound, in whichever form."""
        return bool(len(self.pcm) or self.flac)

    @property
    def frame_rate(self) -> float:
        """Frames per second, the default where the record states none."""
        return self.stated_frame_rate or DEFAULT_FRAME_RATE

    @property
    def sample_rate(self) -> float:
        """Samples of sound per second, the default where the record states none."""
        return self.stated_sample_rate or DEFAULT_SAMPLE_RATE

    @property
    def num_frames(self) -> int:
        """Number of frames, those of the flow where there are no images."""
        return len(self.images) or len(self.flow)

    def sound(self) -> np.ndarray:
        """Returns (samples,) float32 PCM, decoded where it is kept as FLAC.

        Raises:
          tf.errors.InvalidArgumentError: the FLAC file cannot be decoded.
        """
        return tfio.decode_flac(tf.constant(self.flac[0])).numpy() if self.flac else self.pcm

    def readable_sound(self) -> np.ndarray:
        """Returns `sound` with 0 for what is no number; that which is not FLAC where the FLAC is damaged."""
        try:
            return np.nan_to_num(self.sound())
        except tf.errors.InvalidArgumentError:
            return np.nan_to_num(self.pcm)

    def seconds(self, sound: np.ndarray) -> float:
        """Returns how long the frames last, or the `sound` of a clip without frames."""
        if self.num_frames:
            return self.num_frames / self.frame_rate
        return len(sound) / self.sample_rate


@functools.lru_cache
def _parser(further: tuple[tuple[str, str], ...]) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns a function that reads all fields of a record, and further ones of these types."""
    context = {name: tf.io.RaggedFeature(dtype) for name, dtype in _CONTEXT.items()}
    sequences = {**SEQUENCE_FIELDS, **{name: tf.as_dtype(dtype) for name, dtype in further}}
    sequences = {name: tf.io.RaggedFeature(dtype) for name, dtype in sequences.items()}

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        of_context, found = tf.io.parse_single_sequence_example(serialized, context, sequences)
        return {**of_context, **{name: ragged.flat_values for name, ragged in found.items()}}

    return parse


def _check_rates(values: Mapping[str, np.ndarray]) -> None:
    used = {fields.IMAGE_RATE: (fields.IMAGE, fields.FLOW)}
    used[fields.AUDIO_RATE] = (fields.AUDIO, fields.AUDIO_FLAC)
    for name, (low, high) in RATES.items():
        stated = values[name][:1] if any(len(values[each]) for each in used[name]) else ()
        if not all(low <= value <= high for value in stated):
            text = f"{name} is no rate that media have: {stated[0]:g}"
            raise tf.errors.InvalidArgumentError(None, None, text)


def _text(value: bytes) -> str:
    # Names of files may hold bytes that are no text, and are only shown here.
    return value.decode("utf-8", "backslashreplace")
