"""Writes clip records: `tf.train.SequenceExample` with the field names of MediaSequence and DMVR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.preparation.clip_encoder import PreparedClip
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.records import fields
from brave_tf.modality_registry import Modality, Stored


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
    floats) or WAVEFORM/feature/flac (one step, a FLAC file); and those of other modalities.
    """
    stored = stored_of(prepared, settings, modalities.registered())
    return serialize_stored(prepared, stored, label_index)


def stored_of(
    prepared: PreparedClip, settings: PreparationSettings, every: Iterable[Modality]
) -> list[Stored]:
    """Returns what the record of a clip holds of modalities, as features.

    Raises:
      ValueError: a modality stores a field that it does not state.
    """
    found = [(modality, modality.store(prepared, settings)) for modality in every]
    return [_typed(modality, stored) for modality, stored in found if stored is not None]


def serialize_stored(
    prepared: PreparedClip, stored: Iterable[Stored], label_index: Mapping[str, int]
) -> bytes:
    """Does what `serialize_clip` does with what `stored_of` returned."""
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
    for each in stored:
        _add(each.context, context)
        _add(each.sequences, sequences)
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(
            feature_list={
                name: tf.train.FeatureList(feature=steps) for name, steps in sequences.items()
            }
        ),
    )
    return example.SerializeToString(deterministic=True)


def _add(found: Mapping[str, Any], fields_so_far: dict[str, Any]) -> None:
    twice = fields_so_far.keys() & found.keys()
    if twice:
        raise ValueError(f"two modalities store {sorted(twice)}: name the fields of one otherwise.")
    fields_so_far.update(found)


def _typed(modality: Modality, stored: Stored) -> Stored:
    """Returns what is stored as features of the types that the modality states."""
    unknown = [*(set(stored.sequences) - set(modality.fields))]
    unknown += [*(set(stored.context) - set(modality.context))]
    if unknown:
        raise ValueError(
            f"the modality {modality.name!r} stores {sorted(unknown)}, which its fields and context do not "
            "name: a reader would not look for them."
        )
    steps = {
        name: [_step(modality.fields[name], value) for value in values]
        for name, values in stored.sequences.items()
    }
    context = {
        name: _CONTEXT[modality.context[name]](value) for name, value in stored.context.items()
    }
    return Stored(steps, context)


def _step(dtype: str, value: Any) -> tf.train.Feature:
    if dtype == "string":
        return _bytes(value)
    return _floats(value) if dtype == "float32" else _int(*np.ravel(value).tolist())


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
    packed = tf.train.BytesList(value=[np.asarray(values, "<f4").tobytes()]).SerializeToString()
    return tf.train.Feature(float_list=tf.train.FloatList.FromString(packed))


_CONTEXT = {"string": _bytes, "int64": _int, "float32": _float}
