"""The normalisation of the channels of frames."""

from __future__ import annotations

from collections.abc import Sequence


def is_usable(value: object, other: object, channels: int, *, positive: bool) -> bool:
    """Whether `value` is a number for all channels or one for each, or None; `other` goes with it.

    Args:
      value: the mean or the deviation.
      other: the other of the two: both are None, or neither.
      channels: how many there are.
      positive: whether numbers have to be above 0.
    """
    if (value is None) != (other is None):
        return False
    numbers = per_channel(value, channels)
    if numbers is None:
        return True
    usable = len(numbers) == channels and all(isinstance(each, (int, float)) for each in numbers)
    return usable and (not positive or min(numbers) > 0)


def per_channel(value: Sequence[float] | float | None, channels: int) -> tuple[float, ...] | None:
    """Returns a number for each channel."""
    return (value,) * channels if isinstance(value, (int, float)) else value and tuple(value)
