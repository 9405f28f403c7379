"""Clips of the demo's things, and the scenes (mp4 files) in which they follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import av
import looks
import motions
import numpy as np
import sounds

from brave_tf.storage import files

SIZE = 64  # pixels
FRAME_RATE = 10
SAMPLE_RATE = 16_000
FRAMES_PER_CLIP = 16
CLIP_SECONDS = FRAMES_PER_CLIP / FRAME_RATE
CLIPS_PER_KIND = 3  # in a scene


class Kind(NamedTuple):
    """A class of the data set: what stays the same while everything else varies."""

    silhouette: str
    pattern: str
    motion: str
    timbre: str


KINDS: dict[str, Kind] = {
    "wheel": Kind("disc", "spokes", "spin", "saw"),
    "target": Kind("ring", "hoops", "pulse", "bell"),
    "board": Kind("square", "checks", "sway", "organ"),
    "tent": Kind("triangle", "stripes", "rock", "reed"),
    "jester": Kind("star", "core", "hop", "chirp"),
    "plaster": Kind("cross", "spots", "orbit", "buzz"),
    "fish": Kind("bar", "waves", "eight", "hiss"),
    "moon": Kind("crescent", "halves", "squash", "whistle"),
}
CLIPS_PER_SCENE = CLIPS_PER_KIND * len(KINDS)
SPLITS = ("train", "test")


def scene_kinds(seed: int, split: str, scene: int) -> list[str]:
    """Returns the kind of each clip of a scene, in order: every kind equally often."""
    rng = np.random.default_rng([seed, SPLITS.index(split), scene])
    return [str(kind) for kind in rng.permutation(list(KINDS) * CLIPS_PER_KIND)]


def make_clip(
    kind: Kind, rng: np.random.Generator, size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Draws and plays one clip of a kind, with everything that is free taken from `rng`.

    Args:
      kind: of thing.
      rng: source of all that is free.
      size: height and width of the frames, pixels.

    Returns:
      Frames (16, size, size, 3) uint8 RGB and samples (25600,) float32 in [-1, 1].
    """
    cycles_per_second, start = rng.uniform(0.8, 1.6), rng.uniform(0, 1)
    frame_times = np.arange(FRAMES_PER_CLIP) / FRAME_RATE
    sample_times = np.arange(int(CLIP_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    colours = looks.PALETTE[rng.permutation(len(looks.PALETTE))[:3]] * rng.uniform(
        0.75, 1.05, (3, 1)
    )
    frames = looks.draw(
        kind.silhouette,
        kind.pattern,
        motions.poses(kind.motion, start + cycles_per_second * frame_times, rng, size),
        colours[:2].astype(np.float32),
        looks.backdrop(rng, size, colours[2]),
    )
    phase = start + cycles_per_second * sample_times
    return frames, sounds.sound(kind.timbre, phase, cycles_per_second, rng, SAMPLE_RATE)


def write_scene(path: Path, seed: int, split: str, scene: int) -> None:
    """Renders a scene into an mp4 file (H.264, AAC): a function of (seed, split, scene) alone."""
    streams = (
        np.random.default_rng([seed, SPLITS.index(split), scene, position])
        for position in range(CLIPS_PER_SCENE)
    )
    kinds = scene_kinds(seed, split, scene)
    write_clips(path, (make_clip(KINDS[name], rng) for name, rng in zip(kinds, streams)))


def write_clips(
    path: Path, clips: Iterable[tuple[np.ndarray, np.ndarray]], size: int = SIZE
) -> None:
    """Writes clips with frames of `size` pixels, from `make_clip`, into an mp4 file, one after the other."""
    with files.replacing(path) as part, av.open(str(part), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt = size, size, "yuv420p"
        # The same bytes everywhere: one thread, and no macroblock tree, whose choices for the first frames
        # differ from run to run. A key frame where a clip starts: clips can be cut there.
        video.options = {
            "crf": "18",
            "preset": "veryfast",
            "threads": "1",
            "x264-params": "mbtree=0",
            "g": str(FRAMES_PER_CLIP),
        }
        audio = container.add_stream(
            "aac", rate=SAMPLE_RATE, layout="mono", options={"b": "96k", "aac_coder": "fast"}
        )
        for position, (frames, samples) in enumerate(clips):
            for index, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = position * FRAMES_PER_CLIP + index
                if index == 0:
                    frame.pict_type = av.video.frame.PictureType.I
                container.mux(video.encode(frame))
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, position * len(samples)
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
