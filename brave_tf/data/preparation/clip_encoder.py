"""One clip of a media file to the contents of its record: the work of a preparation's worker processes.

A pure function of the clip, its file and the settings, so that any runner can spread it over processes or
machines. It does without TensorFlow, so that workers start fast and stay small.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.media import audio_decoding, flow
from brave_tf.data.media.media import MediaError, MediaFile
from brave_tf.data.preparation.settings import PreparationSettings

FLOW_QUALITY = 95
# Protocol buffers, and so records, hold less than 2 GiB.
MAX_BYTES = (2 << 30) - (64 << 20)


@dataclasses.dataclass(frozen=True)
class PreparedClip:
    """What a clip record holds; fields that the clip lacks are None.

    Attributes:
      clip: Where it comes from.
      end: Seconds in the file at which the clip ends.
      frames: One JPEG per frame, `height` x `width` pixels.
      flow: One JPEG per frame, see `flow.quantize`: motion from each frame to the next; the last
          repeats the one before, and a single frame has none (zero).
      audio: (N,) float32 in [-1, 1] at the sample rate of the settings.
      flac: The same sound as a FLAC file, when the settings ask for it.
      warnings: What may make the clip other than it should be, see `MediaFile.warnings`.
    """

    clip: ListedClip
    end: float
    height: int | None = None
    width: int | None = None
    frames: list[bytes] | None = None
    flow: list[bytes] | None = None
    audio: np.ndarray | None = None
    flac: bytes | None = None
    warnings: tuple[str, ...] = ()


class ClipFailure(NamedTuple):
    """Why a clip gave no record: the stage (find, open, decode, encode, crash, timeout) and the reason."""

    stage: str
    reason: str


def try_encode(clip: ListedClip, settings: PreparationSettings) -> PreparedClip | ClipFailure:
    """Like `encode`, but an error becomes a ClipFailure."""
    try:
        return encode(clip, settings)
    except MediaError as error:
        return ClipFailure(error.stage, str(error))
    except Exception as error:  # One broken file must not end the preparation of the others.
        return ClipFailure("encode", f"{type(error).__name__}: {error}")


def encode(clip: ListedClip, settings: PreparationSettings) -> PreparedClip:
    """Decodes and encodes one clip.

    Raises:
      MediaError: The file cannot be read, or the window holds nothing or too much.
    """
    # The worker processes use all cores already.
    cv2.setNumThreads(1)
    budget = _Budget()
    with MediaFile(clip.file) as media:
        if clip.may_be_cut:
            clip = _whole_if_cut(clip, media.duration)
        if media.has_video:
            fields = _encode_video(media, clip, settings, budget)
        elif settings.audio == "none":
            raise MediaError("decode", "holds sound only, which these settings leave out")
        else:
            fields = {"end": clip.end}
        if settings.audio != "none" and media.has_audio:
            fields.update(_encode_audio(media, clip, settings, fields["end"], budget))
        return PreparedClip(clip=clip, warnings=tuple(media.warnings), **fields)


def _whole_if_cut(clip, duration):
    """Returns the clip; all of the file if that is the window, which need not be cut to the second."""
    ends_early = duration is not None and duration < clip.end - 0.5
    if ends_early and duration < clip.end - clip.start + 2:
        return dataclasses.replace(clip, start=0.0, end=None)
    return clip


def _encode_video(media, clip, settings, budget):
    jpegs = []
    flows = _FlowEncoder(settings, budget) if settings.flow != "none" else None
    previous = None
    for frame in media.frames(clip.start, clip.end, settings.fps, settings.min_side):
        if frame is previous:
            jpegs.append(jpegs[-1])
        else:
            jpegs.append(_jpeg(frame, settings.jpeg_quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420))
        if flows is not None:
            flows.add(frame, frame is previous)
        budget.take(len(jpegs[-1]))
        previous = frame
    height, width = previous.shape[:2]
    return {
        "end": clip.start + len(jpegs) / settings.fps,
        "height": height,
        "width": width,
        "frames": jpegs,
        "flow": flows.finish() if flows is not None else None,
    }


def _encode_audio(media, clip, settings, end, budget):
    if end is None:
        # A broken clock can ask for terabytes of silence.
        end = clip.start + MAX_BYTES / 4 / settings.sample_rate
    audio = media.samples(clip.start, end, settings.sample_rate, pad=media.has_video)
    if audio is None:
        if not media.has_video:
            raise MediaError("decode", f"no sound at {clip.start:g} s or later")
        return {}
    budget.take(audio.nbytes)
    fields = {} if media.has_video else {"end": clip.start + len(audio) / settings.sample_rate}
    if settings.audio == "flac":
        return {**fields, "flac": audio_decoding.encode_flac(audio, settings.sample_rate)}
    return {**fields, "audio": audio}


class _Budget:
    """The bytes that a record may take."""

    def __init__(self):
        self._left = MAX_BYTES

    def take(self, size):
        self._left -= size
        if self._left <= 0:
            raise MediaError(
                "encode", "is too long for one record of 2 GB: list shorter windows of it in a CSV"
            )


class _FlowEncoder:
    """Takes frames, gives one flow JPEG for each."""

    def __init__(self, settings, budget):
        self._budget = budget
        self._estimate = flow.estimator(settings.flow)
        self._bound = settings.flow_bound
        self._previous = None
        self._still = None
        self._jpegs = []

    def add(self, frame, repeated):
        grey = self._previous if repeated else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if self._still is None:
            self._still = self._encode(np.zeros((*grey.shape, 2), np.float32))
        elif repeated:
            self._jpegs.append(self._still)
        else:
            self._jpegs.append(self._encode(self._estimate(self._previous, grey)))
        if self._jpegs:
            self._budget.take(len(self._jpegs[-1]))
        self._previous = grey

    def finish(self):
        return [*self._jpegs, self._jpegs[-1] if self._jpegs else self._still]

    def _encode(self, displacement):
        image = flow.quantize(displacement, self._bound)
        return _jpeg(image[..., ::-1], FLOW_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def _jpeg(image, quality, sampling):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return cv2.imencode(".jpg", image, options)[1].tobytes()
