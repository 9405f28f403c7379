"""Small media files for tests, written with PyAV, whose pictures and sounds tell what they are."""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction

import av
import numpy as np

_VIDEO_CODECS = {".webm": "libvpx", ".mkv": "libx264", ".mp4": "libx264", ".mov": "libx264"}
_SOUND_CODECS = {
    ".avi": "pcm_s16le",
    ".flac": "flac",
    ".m4a": "aac",
    ".mp3": "libmp3lame",
    ".mkv": "aac",
    ".mov": "aac",
    ".mp4": "aac",
    ".ogg": "libvorbis",
    ".opus": "libopus",
    ".ts": "aac",
    ".wav": "pcm_s16le",
    ".webm": "libopus",
}
_BIT_RATES = {"libmp3lame": 128_000, "wmav2": 48_000}
_NUMBER_BITS = 8


def write_video(
    path: str | pathlib.Path,
    frames: Iterable[np.ndarray],
    fps: float = 25,
    *,
    audio: np.ndarray | None = None,
    sample_rate: int = 48000,
    codec: str | None = None,
    audio_codec: str | None = None,
    audio_start: float = 0.0,
    times: Sequence[float] | None = None,
    pixel_format: str | None = None,
    options: dict[str, str] | None = None,
) -> pathlib.Path:
    """Writes a video in the container that the extension names: .mp4, .mov, .avi, .mkv, .webm, .ts.

    Args:
        path: The file.
        frames: (H, W, 3) uint8 RGB each.
        fps: Frames per second.
        audio: (N,) or (N, channels) float in [-1, 1]; None writes no sound.
        sample_rate: Of `audio`.
        codec: FFmpeg's name of the encoder of the pictures.
        audio_codec: FFmpeg's name of the encoder of the sound.
        audio_start: Seconds at which the sound starts.
        times: Seconds at which the frames are shown, for a variable rate.
        pixel_format: Such as yuv444p.
        options: Of the encoder of the pictures.

    Returns:
        `path`.
    """
    path = pathlib.Path(path)
    rate = Fraction(fps).limit_denominator(1001)
    frames = iter(frames)
    first = next(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or _VIDEO_CODECS.get(path.suffix, "mpeg4"), rate=rate)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format or "yuv420p"
        stream.bit_rate = 4_000_000
        stream.options = options or {}
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = None
        if audio is not None:
            sound = _add_sound(
                container, audio_codec or _SOUND_CODECS[path.suffix], audio, sample_rate
            )
        for index, pixels in enumerate([first, *frames]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.time_base = 1 / rate if times is None else Fraction(1, 1000)
            frame.pts = index if times is None else round(times[index] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_sound(container, sound, audio, sample_rate, audio_start)
    return path


def write_audio(
    path: str | pathlib.Path,
    samples: np.ndarray,
    sample_rate: int = 48000,
    codec: str | None = None,
) -> pathlib.Path:
    """Writes (N,) or (N, channels) float sound in [-1, 1]: .wav, .flac, .ogg, .opus, .mp3, .m4a, .mp4."""
    path = pathlib.Path(path)
    with av.open(str(path), "w") as container:
        stream = _add_sound(container, codec or _SOUND_CODECS[path.suffix], samples, sample_rate)
        _write_sound(container, stream, samples, sample_rate)
    return path


def numbered_frame(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Returns an (H, W, 3) uint8 picture that shows `number` in 8 black or white stripes."""
    bits = (number >> np.arange(_NUMBER_BITS)) & 1
    columns = np.arange(width) * _NUMBER_BITS // width
    row = 32 + 192 * bits[columns]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).astype(np.uint8)


def number_of(frame: np.ndarray) -> int:
    """Returns the number that a picture of `numbered_frame` shows, at whatever size."""
    height, width = frame.shape[:2]
    centres = (np.arange(_NUMBER_BITS) + 0.5) * width / _NUMBER_BITS
    values = frame[height // 3 : -height // 3, centres.astype(int)].mean(axis=(0, 2))
    return int(((values > 128) << np.arange(_NUMBER_BITS)).sum())


def moving_texture(
    num_frames: int,
    height: int = 48,
    width: int = 64,
    step: tuple[int, int] = (2, 1),
    seed: int = 0,
) -> list[np.ndarray]:
    """Returns uint8 RGB frames of a smooth random texture that moves by `step` = (right, down) a frame."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    keep = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]) < 0.12
    smooth = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * keep[..., None], axes=(0, 1)).real
    texture = np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    right, down = step
    return [np.roll(texture, (i * down, i * right), axis=(0, 1)) for i in range(num_frames)]


def tone(seconds: float, frequency: float = 440.0, sample_rate: int = 48000) -> np.ndarray:
    """Returns (N,) float32 samples of a sine at half of full scale."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def click(seconds: float, at: float, sample_rate: int = 48000) -> np.ndarray:
    """Returns (N,) float32 samples, silent but for a click of 2 ms centred on `at` seconds."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate - at
    pulse = np.cos(np.pi * 500 * times) * (np.abs(times) < 0.001)
    return (0.8 * pulse).astype(np.float32)


def set_display_matrix(path: str | pathlib.Path, matrix: Sequence[Sequence[int]]) -> None:
    """Makes an .mp4 or .mov be shown transformed: a stored point (x, y) at (x, y) @ matrix (2 x 2)."""
    path = pathlib.Path(path)
    data = bytearray(path.read_bytes())
    (a, b), (c, d) = (tuple(value << 16 for value in row) for row in matrix)
    header = data.index(b"tkhd") + 4
    # Version 0: flags, times, track, duration, layer, group and volume fill the first 40 bytes.
    struct.pack_into(">9i", data, header + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _add_sound(container, codec, samples, sample_rate):
    layout = "mono" if samples.ndim == 1 else {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    stream = container.add_stream(codec, rate=sample_rate, layout=layout)
    if codec in _BIT_RATES:
        stream.bit_rate = _BIT_RATES[codec]
    return stream


def _write_sound(container, stream, samples, sample_rate, start=0.0):
    samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
    for first in range(0, len(samples), 1024):
        block = samples[first : first + 1024].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=stream.layout.name)
        frame.sample_rate = sample_rate
        frame.pts = round(start * sample_rate) + first
        frame.time_base = Fraction(1, sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
