"""Records with captions, and what a view of them should be."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def captioned(record, text):
    """Adds a caption to a serialized record."""
    example = tf.train.SequenceExample.FromString(record)
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    example.feature_lists.feature_list["CAPTION/text"].feature.append(feature)
    return example.SerializeToString()


def expected_words(texts, words, buckets):
    """Counts words with plain Python, and asks TensorFlow for nothing but the hash of each."""
    values = np.zeros((len(texts), words, buckets), np.float32)
    for row, text in enumerate(texts):
        found = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        for place, word in enumerate(found[:words]):
            bucket = int(tf.strings.to_hash_bucket_fast([word], buckets)[0])
            values[row, place, bucket] = 1
    return values
