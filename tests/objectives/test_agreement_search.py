"""The search for rows that two banks agree on, against one of all pairs."""

import numpy as np
import pytest

from brave_tf import errors
from brave_tf.objectives.agreement_search import nearest_rows

RNG = np.random.default_rng(0)
ROWS, COUNT = 23, 4


def bank(rows=ROWS):
    vectors = RNG.normal(size=(rows, 6))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def expected(video, audio, measure):
    found = []
    for row in range(len(video)):
        similar = measure(video @ video[row], audio @ audio[row]).astype("f8")
        similar[row] = -np.inf
        found.append(sorted(np.argsort(-similar, kind="stable")[:COUNT]))
    return found


@pytest.mark.parametrize("chunk", [2, 10, ROWS])
@pytest.mark.parametrize(
    ("agreement", "measure"),
    [
        ("consensus", np.minimum),
        ("union", np.maximum),
        ("video", lambda video, audio: video),
        ("audio", lambda video, audio: audio),
    ],
)
def test_it_finds_the_nearest_in_chunks_of_any_size(agreement, measure, chunk):
    video, audio = bank(), bank()
    got = nearest_rows(video, audio, COUNT, agreement, chunk)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, expected(video, audio, measure))


def test_a_copy_of_a_clip_is_a_positive_and_the_clip_itself_never():
    video, audio = bank(), bank()
    video[9], audio[9] = video[2], audio[2]
    found = nearest_rows(video, audio, COUNT, chunk=5)
    assert 9 in found[2] and 2 in found[9]
    assert not np.any(found == np.arange(ROWS)[:, np.newaxis])


def test_banks_in_half_precision_are_compared_in_full():
    video, audio = bank().astype(np.float16), bank().astype(np.float16)
    whole = nearest_rows(video.astype("f4"), audio.astype("f4"), COUNT)
    np.testing.assert_array_equal(nearest_rows(video, audio, COUNT), whole)


@pytest.mark.parametrize(
    ("count", "agreement", "said"),
    [(ROWS, "consensus", "23 positives of each of 23"), (2, "both", "agreement = 'both'")],
)
def test_what_cannot_be_is_refused(count, agreement, said):
    with pytest.raises(errors.UserError, match=said):
        nearest_rows(bank(), bank(), count, agreement)
