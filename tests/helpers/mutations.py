"""Damage as it is found in large collections of media: one seed gives the same damaged bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(1, len(data))]


def truncated_in_the_header(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(1, min(len(data), 600))]


def without_beginning(data: bytes, rng: np.random.Generator) -> bytes:
    return data[rng.integers(1, len(data) // 2) :]


def few_flipped_bits(data: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(data, rng, rng.integers(1, 10), len(data))


def many_flipped_bits(data: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(data, rng, max(10, len(data) // 100), len(data))


def flipped_bits_in_the_header(data: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(data, rng, rng.integers(1, 20), min(len(data), 1000))


def flipped_bits_at_the_end(data: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(data[::-1], rng, rng.integers(1, 20), min(len(data), 1500))[::-1]


def burst_of_zeros(data: bytes, rng: np.random.Generator) -> bytes:
    return _overwritten(data, rng, lambda size: bytes(size))


def burst_of_ones(data: bytes, rng: np.random.Generator) -> bytes:
    return _overwritten(data, rng, lambda size: b"\xff" * size)


def burst_of_noise(data: bytes, rng: np.random.Generator) -> bytes:
    return _overwritten(data, rng, rng.bytes)


def lost_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _window(data, rng)
    return data[:start] + data[end:]


def repeated_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _window(data, rng)
    return data[:end] + data[start:]


def twice(data: bytes, rng: np.random.Generator) -> bytes:
    return data + data[rng.integers(len(data)) :]


def nothing(data: bytes, rng: np.random.Generator) -> bytes:
    return b""


def zeros(data: bytes, rng: np.random.Generator) -> bytes:
    return bytes(len(data))


def noise(data: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(len(data))


def text(data: bytes, rng: np.random.Generator) -> bytes:
    return b"<html><body>404: this video is not available.</body></html>\n" * rng.integers(1, 50)


MUTATIONS: tuple[Mutation, ...] = (
    truncated,
    truncated_in_the_header,
    without_beginning,
    few_flipped_bits,
    many_flipped_bits,
    flipped_bits_in_the_header,
    flipped_bits_at_the_end,
    burst_of_zeros,
    burst_of_ones,
    burst_of_noise,
    lost_block,
    repeated_block,
    twice,
    nothing,
    zeros,
    noise,
    text,
)


def _flipped(data, rng, count, size):
    flipped = bytearray(data)
    for position in rng.integers(size, size=count):
        flipped[position] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _overwritten(data, rng, fill):
    start, end = _window(data, rng)
    return data[:start] + fill(end - start) + data[end:]


def _window(data, rng):
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + int(rng.integers(4, max(8, len(data) // 4))))
