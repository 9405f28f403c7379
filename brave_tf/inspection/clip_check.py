"""Looks at one clip record: what it holds, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from brave_tf.inspection.stored_clip import StoredClip

# What writers put where a clip has no label.
UNLABELLED = -1
# Of full scale: -60 dB, below the noise of a quiet room.
SILENCE = 1e-3
# Mean difference of pixels in [0, 255], which compression alone does not reach in thumbnails.
STILLNESS = 0.5
# Lossy sound decodes to a little more than full scale.
_LOUDEST = 2.0
_SOUND_TOLERANCE = 0.1
_CONTENT_FRAMES = 8
# Of a frame: four times those of 8K. A header of a few bytes can state 4,000 million.
_MOST_PIXELS = 2**27


class Issue(NamedTuple):
    """A kind of finding, and what it is in this clip."""

    kind: str
    detail: str


@dataclasses.dataclass
class ClipFacts:
    """What a look at a clip found.

    Attributes:
      seconds: duration.
      silent: whether no sample is above -60 dB; None without sound, or where it was not decoded.
      still: whether its picture does not move; None without frames, or where none was decoded.
      frame_size: height and width of the frames; None without frames.
      frames_decoded: how many JPEGs were decoded.
      issues: what is wrong.
    """

    seconds: float = 0.0
    silent: bool | None = None
    still: bool | None = None
    frame_size: tuple[int, int] | None = None
    frames_decoded: int = 0
    issues: list[Issue] = dataclasses.field(default_factory=list)


def check_clip(clip: StoredClip, labels: tuple[str, ...], decode: str = "sample") -> ClipFacts:
    """Looks at a clip.

    Args:
      clip: the clip.
      labels: texts in the order of their index; empty when unknown.
      decode: which frames to decode, as training does: 'sample' is the first, middle and last frame
        and flow field, 'all' every one, 'none' neither frames nor FLAC.
    """
    facts = ClipFacts()
    if not clip.modalities:
        facts.issues.append(Issue("record_empty", "no field of frames, flow or sound"))
    _check_labels(clip, labels, facts)
    sound = _check_sound(clip, facts, decode)
    facts.seconds = clip.seconds(sound)
    _check_lengths(clip, sound, facts)
    _check_frames(clip, facts, decode)
    return facts


def content_digest(clip: StoredClip) -> bytes:
    """Returns 8 bytes that are those of another clip when frames and sound are the same."""
    digest = hashlib.blake2b(digest_size=8)
    for jpegs in (clip.images or clip.flow, clip.flac):
        digest.update(len(jpegs).to_bytes(8, "little"))
        for index in np.unique(np.linspace(0, len(jpegs) - 1, _CONTENT_FRAMES).astype(int)):
            digest.update(jpegs[index] if jpegs else b"")
    digest.update(clip.pcm.tobytes())
    return digest.digest()


def _check_labels(clip: StoredClip, labels: tuple[str, ...], facts: ClipFacts) -> None:
    if not labels:
        return
    for place, index in enumerate(clip.labels):
        if index == UNLABELLED:
            continue
        if not 0 <= index < len(labels):
            detail = f"index {index}, labels.txt has {len(labels)} labels"
            facts.issues.append(Issue("label_range", detail))
        elif place < len(clip.texts) and clip.texts[place] != labels[index]:
            detail = f"index {index} is {clip.texts[place]!r} here, {labels[index]!r} there"
            facts.issues.append(Issue("label_text", detail))


def _check_sound(clip: StoredClip, facts: ClipFacts, decode: str) -> np.ndarray:
    if not clip.has_sound or (clip.flac and decode == "none"):
        return clip.pcm
    try:
        sound = clip.sound()
    except tf.errors.InvalidArgumentError as error:
        facts.issues.append(Issue("sound_undecodable", first_line(error)))
        return clip.pcm
    peak = float(np.max(np.abs(sound), initial=0.0))
    if not np.isfinite(peak):
        count = np.count_nonzero(~np.isfinite(sound))
        facts.issues.append(Issue("sound_values", f"{count:,} samples are not finite"))
    elif peak > _LOUDEST:
        facts.issues.append(Issue("sound_values", f"a sample is {peak:g}"))
    facts.silent = peak < SILENCE
    return sound


def _check_lengths(clip: StoredClip, sound: np.ndarray, facts: ClipFacts) -> None:
    if clip.images and clip.flow and len(clip.images) != len(clip.flow):
        detail = f"{len(clip.images)} frames, {len(clip.flow)} flow fields"
        facts.issues.append(Issue("flow_length", detail))
    if clip.num_frames and len(sound):
        heard = len(sound) / clip.sample_rate
        if abs(heard - facts.seconds) > _SOUND_TOLERANCE:
            detail = f"{facts.seconds:.2f} s of frames, {heard:.2f} s of sound"
            facts.issues.append(Issue("sound_length", detail))
    missing = []
    if clip.num_frames and clip.stated_frame_rate is None:
        missing.append("no frame rate")
    if clip.has_sound and clip.stated_sample_rate is None:
        missing.append("no sample rate")
    if missing:
        facts.issues.append(Issue("rate_missing", " and ".join(missing)))


def _check_frames(clip: StoredClip, facts: ClipFacts, decode: str) -> None:
    sizes = {clip.stated_size} if clip.stated_size and clip.images else set()
    for name, jpegs in (("frame", clip.images), ("flow field", clip.flow)):
        thumbnails = []
        for index in _chosen(len(jpegs), decode):
            try:
                height, width, thumbnail = _decode(jpegs[index])
            except tf.errors.InvalidArgumentError as error:
                detail = f"{name} {index} of {len(jpegs)}: {first_line(error)}"
                facts.issues.append(Issue("frame_undecodable", detail))
                continue
            thumbnails.append(thumbnail)
            sizes.add((height, width))
            facts.frame_size = facts.frame_size or (height, width)
        facts.frames_decoded += len(thumbnails)
        if name == "frame" and thumbnails and len(sizes) == 1:
            facts.still = _is_still(thumbnails)
    if len(sizes) > 1:
        shown = ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
        facts.issues.append(Issue("frame_size", f"height x width {shown}"))
    facts.frame_size = facts.frame_size or clip.stated_size


def _chosen(count: int, decode: str) -> list[int]:
    if decode == "all":
        return list(range(count))
    return sorted({0, count // 2, count - 1}) if count and decode == "sample" else []


def _decode(jpeg: bytes) -> tuple[int, int, np.ndarray]:
    """Returns height, width, and the picture at an eighth of them, which reads all of its bytes."""
    # The decoder of crops takes nothing else, where that of whole pictures would.
    if jpeg[:3] != b"\xff\xd8\xff":
        raise tf.errors.InvalidArgumentError(None, None, "no JPEG")
    height, width, _ = tf.image.extract_jpeg_shape(jpeg).numpy().tolist()
    if height * width > _MOST_PIXELS:
        raise tf.errors.InvalidArgumentError(None, None, f"{height}x{width} pixels are too many")
    return height, width, tf.io.decode_jpeg(jpeg, channels=3, ratio=8).numpy().astype(np.float32)


def _is_still(thumbnails: list[np.ndarray]) -> bool:
    return all(np.abs(t - thumbnails[0]).mean() < STILLNESS for t in thumbnails[1:])


def first_line(error: tf.errors.OpError) -> str:
    """Returns the start of an error's message without the name of the operation that it came from."""
    text = error.message.splitlines()[0] if error.message else type(error).__name__
    return text.split("[Op:")[0].split("} }} ")[-1].strip()[:120]
