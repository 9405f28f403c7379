"""What preparing a clip costs, part by part, in CPU seconds of one core.

Without --input, films of 320x240 pixels at 25 frames per second with sound (H.264, AAC) are rendered.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import tempfile
import time
from collections.abc import Iterable
from typing import Any

import av
import cv2
import numpy as np

from brave_tf.data.clips import clip_list
from brave_tf.data.media import flow
from brave_tf.data.media.media import MediaError, MediaFile
from brave_tf.data.preparation import clip_encoder
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.process.progress import Progress

_FPS = 25
_SAMPLE_RATE = 48_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--input", help="folder of media files to measure on")
    parser.add_argument(
        "--clips", type=int, default=4, help="how many to render, or to take of --input"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each clip, at most")
    parser.add_argument("--min_side", type=int, default=256, help="pixels of the short side")
    parser.add_argument(
        "--flow_seconds", type=float, default=1.0, help="of each clip that flow is measured on"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures frames, sound, and both kinds of flow."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not args.input:
            write_films(pathlib.Path(folder), args.clips, args.seconds)
        files = [clip.file for clip in clip_list.read_clips(args.input or folder)][: args.clips]
        parts = {
            "decode, resize, JPEG": lambda file: _frames(file, args),
            "sound, mono at 48 kHz": lambda file: _sound(file, args),
            "flow, DIS": lambda file: _flow(file, args, "dis"),
            "flow, TV-L1": lambda file: _flow(file, args, "tvl1"),
        }
        rows = [_row(name, files, measure) for name, measure in parts.items()]
    return {"settings": vars(args), "rows": rows}


def _row(name, files, measure):
    """Returns the cost of a part, from the files that have it."""
    measured = [found for found in map(measure, files) if found is not None]
    if not measured:
        return {"part": name, "clips": 0}
    seconds, cpu = np.sum(measured, axis=0)
    return {
        "part": name,
        "clips": len(measured),
        "cpu_s_per_10_s_clip": 10 * cpu / seconds,
        "times_real_time": seconds / cpu,
    }


def _frames(file, args):
    """Returns the seconds that the clip lasts and the CPU seconds that its frames took."""
    settings = PreparationSettings(min_side=args.min_side, flow="none", audio="none")
    began = time.process_time()
    try:
        prepared = clip_encoder.encode(_window(file, args.seconds), settings)
    except MediaError:
        return None
    return len(prepared.frames) / settings.fps, time.process_time() - began


def _sound(file, args):
    began = time.process_time()
    with MediaFile(file) as media:
        if not media.has_audio:
            return None
        samples = media.samples(0.0, args.seconds, _SAMPLE_RATE, pad=False)
    return len(samples) / _SAMPLE_RATE, time.process_time() - began


def _flow(file, args, method):
    with MediaFile(file) as media:
        if not media.has_video:
            return None
        pictures = media.frames(0.0, args.flow_seconds, _FPS, args.min_side)
        greys = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in pictures]
    estimate = flow.estimator(method)
    began = time.process_time()
    for previous, following in zip(greys, greys[1:]):
        image = flow.quantize(estimate(previous, following), 20.0)
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, clip_encoder.FLOW_QUALITY])
    return (len(greys) - 1) / _FPS, time.process_time() - began


def _window(file, seconds):
    return clip_list.make_clip("", file, end=seconds)


def write_films(folder: pathlib.Path, count: int, seconds: float) -> None:
    """Renders the scenes of `clips.write_clips` as MP4 files."""
    from bench import clips

    folder.mkdir(parents=True, exist_ok=True)
    number = round(seconds * _FPS)
    with Progress(count, "rendering") as progress:
        for seed in range(count):
            rng = np.random.default_rng(seed)
            sound = 0.1 * rng.standard_normal(round(seconds * _SAMPLE_RATE))
            write_film(folder / f"{seed}.mp4", clips.frames(rng, number, 240, 320), sound)
            progress.add()


def write_film(path: pathlib.Path, pictures: Iterable[np.ndarray], sound: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 RGB pictures at 25 per second and (N,) sound at 48 kHz as H.264 and AAC."""
    pictures = iter(pictures)
    first = next(pictures)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=_FPS)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        for picture in itertools.chain([first], pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "flt", "mono")
        block.sample_rate = _SAMPLE_RATE
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
