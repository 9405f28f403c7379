"""Writes clip records: `tf.train.SequenceExample` with the field names of MediaSequence and DMVR."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from brave_tf.data.preparation.clip_encoder import PreparedClip
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.records import fields


def serialize_clip(
    prepared: PreparedClip, settings: PreparationSettings, label_index: Mapping[str, int]
) -> bytes:
    """Returns a clip as a serialized SequenceExample; equal clips give equal bytes.

    Args:
      prepared: The clip; parts that it lacks leave no fields.
      settings: The settings it was prepared with.
      label_index: Number of each label.

    Context fields: image/frame_rate (frames per second), image/height and image/width (pixels),
    WAVEFORM/feature/sample_rate, FORWARD_FLOW/bound (pixels), clip/start/timestamp and clip/end/timestamp
    (microseconds in the file), clip/data_path, clip/label/index and clip/label/text. Sequence fields:
    image/encoded and FORWARD_FLOW/encoded (a JPEG per frame), WAVEFORM/feature/floats (one step of N
    floats) or WAVEFORM/feature/flac (one step, a FLAC file).
    """
    clip = prepared.clip
    context = {
        fields.PATH: _bytes(_encode(clip.path)),
        fields.START: _int(round(clip.start * 1e6)),
        fields.END: _int(round(prepared.end * 1e6)),
    }
    sequences = {}
    if clip.labels:
        context[fields.LABEL_INDEX] = _int(*(label_index[label] for label in clip.labels))
        context[fields.LABEL_TEXT] = _bytes(*(_encode(label) for label in clip.labels))
    if prepared.frames is not None:
        context[fields.IMAGE_RATE] = _float(settings.fps)
        context[fields.IMAGE_HEIGHT] = _int(prepared.height)
        context[fields.IMAGE_WIDTH] = _int(prepared.width)
        sequences[fields.IMAGE] = [_bytes(jpeg) for jpeg in prepared.frames]
    if prepared.flow is not None:
        context[fields.FLOW_BOUND] = _float(settings.flow_bound)
        sequences[fields.FLOW] = [_bytes(jpeg) for jpeg in prepared.flow]
    if prepared.audio is not None or prepared.flac is not None:
        context[fields.AUDIO_RATE] = _float(settings.sample_rate)
    if prepared.audio is not None:
        sequences[fields.AUDIO] = [_floats(prepared.audio)]
    if prepared.flac is not None:
        sequences[fields.AUDIO_FLAC] = [_bytes(prepared.flac)]
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(
            feature_list={
                name: tf.train.FeatureList(feature=steps) for name, steps in sequences.items()
            }
        ),
    )
    return example.SerializeToString(deterministic=True)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def _floats(values: np.ndarray) -> tf.train.Feature:
    # Protobuf copies a sequence item by item, 90 ms for 10 s of sound. Packed floats and a bytes field are
    # the same on the wire, and bytes are copied at once.
    packed = tf.train.BytesList(value=[values.astype("<f4").tobytes()]).SerializeToString()
    return tf.train.Feature(float_list=tf.train.FloatList.FromString(packed))
