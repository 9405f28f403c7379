"""What each step of making views costs, in CPU milliseconds per clip.

Each step runs alone in `tf.data`, as in the input pipeline: on 16 frames of 224 pixels ('narrow'), 64
frames of 112 pixels ('broad') or 10.24 s of sound at 48 kHz. Random steps are always applied. Those called
'compiled' are made by the operations of this package, as in the pipeline where a wheel carries them or there
is a C++ compiler.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import tempfile
from typing import Any, Callable

import tensorflow as tf

from bench import clips, timing
from brave_tf.data.augment.color_jitter import color_jitter
from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_color import METHODS, random_color
from brave_tf.data.augment.random_convolution import random_convolution
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.random_gray import random_gray
from brave_tf.data.augment.spec_augment import spec_augment
from brave_tf.data.kernels.library import compiled_kernels
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import Clip, parse_clip
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views import frames, sampling
from brave_tf.data.views.log_mel import LogMel

_FIELDS = (record_fields.IMAGE, record_fields.AUDIO)
# The mean area of random crops, in the middle of the frame.
_CROP = (0.15, 0.15, 0.7, 0.7)
_WINDOWS = {"narrow": (16, 2, 224), "broad": (64, 4, 112)}  # Frames, step, pixels.
_SAMPLES = 491_520
_AUGMENTATIONS = {
    "flip": functools.partial(random_flip, probability=1.0),
    "gray": functools.partial(random_gray, probability=1.0),
    "blur": gaussian_blur,
    "jitter": functools.partial(color_jitter, probability=1.0),
    **{
        f"color {method}": functools.partial(random_color, probability=1.0, method=method)
        for method in METHODS
    },
}

# A step's input, and what is done to it: (values, seed (2,) int32) -> values.
Step = tuple[Any, Callable[[tf.Tensor, tf.Tensor], Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--clips", type=int, default=30, help="clips of one measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=CORES, help="clips made at the same time")
    parser.add_argument("--steps", default="", help="only steps whose name contains this")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures all steps in turn."""
    with tempfile.TemporaryDirectory() as folder:
        clips.write_clips(pathlib.Path(folder), 2, shards=1)
        path = str(next(pathlib.Path(folder).glob("*.tfrecord")))
        reading = tf.data.TFRecordDataset(path).repeat()
        record = next(iter(reading))
        clip = parse_clip(record, _FIELDS)
        datasets = {"read record": reading}
        steps = {
            "parse record": (record, lambda record, seed: parse_clip(record, _FIELDS)),
            **_video_steps(clip),
            **_audio_steps(clip),
        }
        for name, (values, function) in steps.items():
            datasets[name] = _repeated(values, function, args.threads)
        functions = {
            name: functools.partial(_taking, dataset, args.clips)
            for name, dataset in datasets.items()
            if args.steps in name
        }
        times = timing.measure(functions, args.repeats)
    rows = [{"step": name, **_costs(each, args.clips)} for name, each in times.items()]
    return {"settings": vars(args), "rows": rows}


def _video_steps(clip: Clip) -> dict[str, Step]:
    height, width = frames.frame_shape(clip.images[0])
    whole = tf.stack([0, 0, height, width])
    crop = tf.cast(tf.cast(tf.stack([height, width] * 2), tf.float32) * _CROP, tf.int32)
    steps: dict[str, Step] = {}
    for view, (number, step, size) in _WINDOWS.items():
        jpegs = tf.gather(clip.images, tf.range(number) * step % tf.size(clip.images))
        cropped = frames.decode_crop(jpegs, crop)
        inside = tf.stack([0, 0, crop[2], crop[3]])
        resize = functools.partial(
            frames.decode_crop_resize, window=inside, height=size, width=size, highest=1.0
        )
        video = resize(cropped)
        steps |= {
            f"{view}: decode": (jpegs, lambda jpegs, seed: frames.decode_crop(jpegs, whole)),
            f"{view}: decode crop": (jpegs, lambda jpegs, seed: frames.decode_crop(jpegs, crop)),
            f"{view}: random convolution": (video, random_convolution),
        }
        both = {"resize crop": (cropped, lambda pixels, seed, resize=resize: resize(pixels))}
        both |= {name: (video, augmentation) for name, augmentation in _AUGMENTATIONS.items()}
        for name, (values, function) in both.items():
            steps[f"{view}: {name}"] = (values, function)
            steps[f"{view}: {name}, compiled"] = (values, _compiled(function))
    return steps


def _compiled(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    def run(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with compiled_kernels():
            return function(values, seed)

    return run


def _audio_steps(clip: Clip) -> dict[str, Step]:
    period = tf.size(clip.audio)
    log_mel = LogMel()
    window = sampling.audio_window(clip.audio, tf.constant(0), _SAMPLES, period)
    return {
        "audio: window": (
            clip.audio,
            lambda pcm, seed: sampling.audio_window(pcm, seed[0] % period, _SAMPLES, period),
        ),
        "audio: log-mel": (window, lambda pcm, seed: log_mel(pcm)),
        "audio: SpecAugment": (log_mel(window), spec_augment),
    }


def _repeated(values: Any, function: Callable, threads: int) -> tf.data.Dataset:
    counted = tf.data.Dataset.zip(
        (tf.data.Dataset.from_tensors(values).repeat(), tf.data.Dataset.counter(dtype=tf.int32))
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return counted.map(
        tf.autograph.experimental.do_not_convert(
            lambda values, number: function(values, tf.stack([number, 0]))
        ),
        threads,
    ).with_options(options)


def _taking(dataset: tf.data.Dataset, number: int) -> Callable[[], None]:
    iterator = iter(dataset)
    for _ in range(2):
        next(iterator)

    def take() -> None:
        for _ in range(number):
            next(iterator)

    return take


def _costs(times: timing.Times, count: int) -> dict[str, float]:
    rate = times.rate(count)
    each = [1000 * seconds / count for seconds in times.cpu]
    return {
        "cpu_ms": rate["cpu_ms_each"],
        "spread": timing.spread(each),
        "clips_per_s": rate["per_s"],
    }
