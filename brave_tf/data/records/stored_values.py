"""Values of a clip record that stay where they are stored until they are wanted."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from brave_tf.data.media import tfio

# Of the bytes of a value: FarmHash64 modulo this.
_FINGERPRINTS = 2**32
COLUMNS = 3


class StoredValues(NamedTuple):
    """Where the values of one field of a record are: frames, or pieces of sound."""

    path: tf.Tensor  # () string, the file
    places: tf.Tensor  # (values, 3) int64: the first byte, how many bytes, their fingerprint

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads some of the values.

        Args:
          indices: (n,) integers, of the values.

        Returns:
          (n,) string, their bytes.

        Raises:
          tf.errors.OpError: when run, if the file is not there, too short, or other than it was.
        """
        places = tf.gather(self.places, indices)
        offsets, lengths, expected = tf.unstack(places, axis=1)

        def read(place: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            return tfio.read_bytes(self.path, *place)

        if indices.shape[0] is None:
            values = tf.map_fn(read, (offsets, lengths), fn_output_signature=tf.string)
        else:
            # Unrolled: no loop, and they may be read side by side.
            values = tf.stack([read(place) for place in zip(*map(tf.unstack, (offsets, lengths)))])
        same = tf.reduce_all(fingerprints(values) == expected)
        message = "the shard was damaged or replaced after its index was made"
        intact = tf.debugging.Assert(same, [message])
        with tf.control_dependencies([intact] if intact is not None else []):
            return tf.identity(values)

    def read_all(self) -> tf.Tensor:
        """Reads all values, see `read`."""
        return self.read(tf.range(tf.shape(self.places)[0]))


def count(values: tf.Tensor | StoredValues) -> tf.Tensor:
    """Returns () int32, how many values there are."""
    return tf.shape(values.places if isinstance(values, StoredValues) else values)[0]


def take(values: tf.Tensor | StoredValues, indices: tf.Tensor) -> tf.Tensor:
    """Returns the values at (n,) integers; those that are stored somewhere are read."""
    return values.read(indices) if isinstance(values, StoredValues) else tf.gather(values, indices)


def fingerprints(values: tf.Tensor) -> tf.Tensor:
    """Returns (n,) int64 that tell (n,) string values from others."""
    return tf.strings.to_hash_bucket_fast(values, _FINGERPRINTS)
