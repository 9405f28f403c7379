"""Reads clip records: a serialized `tf.train.SequenceExample` becomes a `Clip` of tensors.

Only the fields that are asked for are parsed; frames stay encoded, so that a view decodes no more
of them than its window holds. Field names are those of MediaSequence and DMVR.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import gin
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.media import tfio
from brave_tf.data.records import fields
from brave_tf.data.records.stored_values import StoredValues, count

DEFAULT_FRAME_RATE = 25.0
DEFAULT_SAMPLE_RATE = 48_000.0
DEFAULT_FLOW_BOUND = 20.0
# Lowest and highest of frames per second and of Hz: from one frame in a quarter of an hour to the fastest
# cameras and converters.
RATES = {fields.IMAGE_RATE: (1e-3, 1e6), fields.AUDIO_RATE: (1.0, 1e8)}

# Those of which the attributes of a clip are made.
CONTEXT_FIELDS = {
    fields.IMAGE_RATE: tf.float32,
    fields.AUDIO_RATE: tf.float32,
    fields.FLOW_BOUND: tf.float32,
    fields.LABEL_INDEX: tf.int64,
    fields.PATH: tf.string,
}
SEQUENCE_FIELDS = {
    fields.IMAGE: tf.string,
    fields.FLOW: tf.string,
    fields.AUDIO: tf.float32,
    fields.AUDIO_FLAC: tf.string,
}


class Clip(NamedTuple):
    """One clip. What was not asked for, or the clip lacks, is empty: (0,) string, (0,) float32."""

    # A JPEG for each frame, (frames,) string or where they are; or (frames, H, W, 3) uint8 of raw media.
    images: tf.Tensor | StoredValues
    flow: tf.Tensor | StoredValues  # A JPEG for each frame.
    audio: tf.Tensor  # (samples,) float32 mono PCM in [-1, 1]
    frame_rate: tf.Tensor  # () float64, frames per second of images and flow
    sample_rate: tf.Tensor  # () float64, Hz
    flow_bound: (
        tf.Tensor
    )  # () float32, the displacement in pixels that the flow's 0 and 255 stand for
    labels: tf.Tensor  # (labels,) int64, empty when unlabelled
    path: tf.Tensor  # () string, the file that the clip comes from
    # Fields of other modalities -> (values,), of the sequence fields that were asked for and of all context.
    extra: Mapping[str, tf.Tensor] = {}  # noqa: RUF012

    @property
    def num_frames(self) -> tf.Tensor:
        """() int32: the number of frames of the images, or of the flow where there are no images."""
        return tf.maximum(count(self.images), count(self.flow))

    @property
    def label(self) -> tf.Tensor:
        """() int64: the first label, -1 when unlabelled."""
        return _first(self.labels, tf.constant(-1, tf.int64))


def parse_clip(serialized: tf.Tensor, wanted: Collection[str]) -> Clip:
    """Parses one record.

    Args:
      serialized: () string, a `tf.train.SequenceExample`.
      wanted: the sequence fields to read, of `records.fields`: IMAGE, FLOW, AUDIO and AUDIO_FLAC; or of
        `further_fields`. Rates, labels, path and other context are always read.

    Returns:
      The clip. Missing rates are those of `unstated_rates`; a missing bound is 20 pixels.

    Raises:
      tf.errors.InvalidArgumentError: the bytes are no record, or its FLAC cannot be decoded.
      ValueError: `wanted` holds a field that records do not have.
    """
    context, sequences = _parse(serialized, wanted)
    return make_clip(context, {name: values.flat_values for name, values in sequences.items()})


def parse_window(serialized: tf.Tensor) -> tf.Tensor:
    """Returns where a record's clip starts and ends in its file, (2,) float64 seconds.

    A start that the record does not state is 0, an end -1.

    Raises:
      tf.errors.InvalidArgumentError: the bytes are no record.
    """
    stated = {name: tf.io.RaggedFeature(tf.int64) for name in (fields.START, fields.END)}
    context, _ = tf.io.parse_single_sequence_example(serialized, stated)
    start = _first(context[fields.START], tf.constant(0, tf.int64))
    end = _first(context[fields.END], tf.constant(-1_000_000, tf.int64))
    return tf.cast([start, end], tf.float64) / 1e6


def parse_text(serialized: tf.Tensor, field: str) -> tf.Tensor:
    """Returns the first text in a field of a record's context, () string.

    Raises:
      tf.errors.InvalidArgumentError: when run, if the bytes are no record, or there is no text of that name.
    """
    wanted = {field: tf.io.RaggedFeature(tf.string)}
    context, _ = tf.io.parse_single_sequence_example(serialized, wanted)
    told = tf.debugging.Assert(tf.size(context[field]) > 0, [f"the record has no {field}"])
    with tf.control_dependencies([told] if told is not None else []):
        return _first(context[field], tf.constant(""))


def make_clip(context: Mapping[str, tf.Tensor], values: Mapping[str, Any]) -> Clip:
    """Returns a clip of what was read of its record.

    Args:
      context: (n,) values of each of `context_fields`.
      values: of the sequence fields that were wanted.

    Raises:
      tf.errors.InvalidArgumentError: when run, if its FLAC cannot be decoded, or a rate of what was wanted is
        none of `RATES`.
    """

    def rate(name: str, default: float, used: tf.Tensor) -> tf.Tensor:
        value = _first(context[name], tf.constant(default, tf.float32))
        low, high = RATES[name]
        usable = ~used | ((value >= low) & (value <= high))
        checked = tf.debugging.Assert(usable, [f"{name} is no rate that media have", value])
        with tf.control_dependencies([checked] if checked is not None else []):
            return tf.cast(value, tf.float64)

    frame_rate, sample_rate = unstated_rates()
    found = {name: tf.zeros((0,), dtype) for name, dtype in SEQUENCE_FIELDS.items()}
    found.update(values)
    audio, flac = found[fields.AUDIO], found[fields.AUDIO_FLAC]
    if fields.AUDIO_FLAC in values:
        audio = tf.cond(tf.size(flac) > 0, lambda: tfio.decode_flac(flac[0]), lambda: audio)
    of_frames = [count(found[name]) > 0 for name in (fields.IMAGE, fields.FLOW)]
    return Clip(
        images=found[fields.IMAGE],
        flow=found[fields.FLOW],
        audio=audio,
        frame_rate=rate(fields.IMAGE_RATE, frame_rate, tf.reduce_any(of_frames)),
        sample_rate=rate(fields.AUDIO_RATE, sample_rate, tf.size(audio) > 0),
        flow_bound=_first(context[fields.FLOW_BOUND], tf.constant(DEFAULT_FLOW_BOUND)),
        labels=context[fields.LABEL_INDEX],
        path=_first(context[fields.PATH], tf.constant("")),
        extra={
            name: value
            for name, value in {**context, **values}.items()
            if name not in CONTEXT_FIELDS and name not in SEQUENCE_FIELDS
        },
    )


def further_fields() -> dict[str, str]:
    """Returns the sequence fields of modalities that are no attribute of a clip, and their types."""
    every = [modality.fields for modality in modalities.registered()]
    return {k: v for each in every for k, v in each.items() if k not in SEQUENCE_FIELDS}


def context_fields() -> dict[str, tf.DType]:
    """Returns the context fields that are read: those of clips, and those that go with `further_fields`."""
    further = {
        name: tf.as_dtype(dtype)
        for modality in modalities.registered()
        if modality.fields.keys() - SEQUENCE_FIELDS.keys()
        for name, dtype in modality.context.items()
    }
    return {**further, **CONTEXT_FIELDS}


@gin.configurable
def unstated_rates(
    frame_rate: float = DEFAULT_FRAME_RATE, sample_rate: float = DEFAULT_SAMPLE_RATE
) -> tuple[float, float]:
    """Returns the rates of the records that do not state them.

    Args:
      frame_rate: frames and flow fields per second.
      sample_rate: of the sound, Hz.
    """
    return float(frame_rate), float(sample_rate)


def compression_of(path: str) -> str:
    """Returns how a TFRecord file is compressed: "GZIP", or "" for not at all."""
    with tf.io.gfile.GFile(path, "rb") as file:
        start = file.read(10)
    # The last byte but one is one of three flags there; the length that the others would be is checked by it.
    return "GZIP" if start.startswith(b"\x1f\x8b\x08") and start[8:9] in b"\0\2\4" else ""


def has_fields(serialized: tf.Tensor, wanted: Collection[str]) -> tf.Tensor:
    """Returns () bool: whether the record holds something in every one of the `wanted` fields."""
    _, sequences = _parse(serialized, wanted)
    return tf.reduce_all([tf.size(sequences[name].flat_values) > 0 for name in wanted])


def _parse(serialized: tf.Tensor, wanted: Collection[str]) -> tuple[dict, dict]:
    known = {**further_fields(), **SEQUENCE_FIELDS}
    unknown = set(wanted) - set(known)
    if unknown:
        raise ValueError(f"unknown record fields {sorted(unknown)}, expected some of {list(known)}")
    return tf.io.parse_single_sequence_example(
        serialized,
        {name: tf.io.RaggedFeature(dtype) for name, dtype in context_fields().items()},
        {name: tf.io.RaggedFeature(tf.as_dtype(known[name])) for name in sorted(wanted)},
    )


def _first(values: tf.Tensor, default: tf.Tensor) -> tf.Tensor:
    return tf.concat([values, default[tf.newaxis]], 0)[0]
