import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.sources.attempts import SkippedClips, successes, try_all, user_errors
from brave_tf.errors import UserError

BAD = "this one is bad"


def make(number, name):
    """Fails for multiples of 7 and of 11."""
    good = tf.debugging.Assert((number % 7 != 0) & (number % 11 != 0), [BAD])
    with tf.control_dependencies([good] if good is not None else []):
        return {"square": number * number, "name": name}


def numbered(start, stop):
    numbers = tf.data.Dataset.range(start, stop)
    return numbers.map(lambda n: (n, tf.strings.join(["n", tf.strings.as_string(n)])))


def results(start, stop, num_parallel=2, fill_gaps=False, skipped=None):
    tried = try_all(numbered(start, stop), make, num_parallel)
    made = successes(
        tried,
        make,
        lambda number, name: f"{name.numpy().decode()}.mp4",
        SkippedClips(1.0) if skipped is None else skipped,
        fill_gaps=fill_gaps,
    )
    return [int(result["square"]) ** 0.5 for result in made]


GOOD = [n for n in range(1, 40) if n % 7 and n % 11]


@pytest.mark.parametrize("num_parallel", [1, 2, 5])
def test_what_can_be_made_is_there_in_order(num_parallel):
    assert results(1, 40, num_parallel) == GOOD


@pytest.mark.parametrize("start", [1, 14, 21])
def test_gaps_are_filled_by_what_comes_next(start):
    expected = [min(good for good in GOOD if good >= n) for n in range(start, 40)]
    assert results(start, 40, fill_gaps=True) == expected


def test_failures_are_counted_and_named_with_their_reason(caplog):
    skipped = SkippedClips(1.0)
    assert skipped.summary() == "no clips skipped"
    results(1, 40, skipped=skipped)
    bad = [7, 11, 14, 21, 22, 28, 33, 35]
    assert skipped.count == 8
    assert skipped.reasons == {f"n{n}.mp4": BAD for n in bad}
    assert f"skipped n7.mp4: {BAD}" in caplog.text
    assert skipped.summary().startswith(f"8 clips skipped: n7.mp4: {BAD}; n11.mp4: ")
    assert skipped.summary().endswith("; and 3 more")


def test_a_second_pass_counts_again():
    skipped = SkippedClips(1.0)
    tried = try_all(numbered(1, 40), make, 2)
    made = successes(tried, make, lambda n, name: "x", skipped, fill_gaps=False)
    for passes in (1, 2, 3):
        list(made)
        assert skipped.count == 8 * passes


def test_more_than_wait_to_be_noted_are_counted():
    skipped = SkippedClips(1.0)
    results(1, 1000, skipped=skipped)
    assert skipped.count == sum(n % 7 == 0 or n % 11 == 0 for n in range(1, 1000))
    assert list(skipped.reasons)[-1] == "n994.mp4"


def test_too_many_end_the_dataset():
    # 22 of 100 is the share of the failures.
    assert len(results(1, 101, skipped=SkippedClips(0.22))) == 78
    expected = "22 of the first 99 clips .* SkippedClips.max_share = 0.21 .*n7.mp4: "
    with pytest.raises(UserError, match=expected), user_errors():
        results(1, 101, skipped=SkippedClips(0.21))


def test_few_clips_are_not_judged_alone():
    # Half of two clips.
    assert results(6, 8, skipped=SkippedClips(0.01)) == [6]
    with pytest.raises(UserError, match="2 of the first 6 clips"), user_errors():
        results(6, 15, skipped=SkippedClips(0.01))


def test_an_endless_dataset_that_only_fails_ends():
    bad = tf.data.Dataset.from_tensors((tf.constant(7, tf.int64), "a"))
    tried = try_all(bad.repeat(), make, 2)
    skipped = SkippedClips(0.1)
    made = successes(tried, make, lambda n, name: "a.mp4", skipped, fill_gaps=True)
    # TensorFlow may read on after the error.
    with pytest.raises(UserError, match="11 of the first 1[12] clips .*a.mp4"), user_errors():
        next(iter(made))


def test_other_errors_are_left_as_they_are():
    with pytest.raises(tf.errors.NotFoundError), user_errors():
        tf.io.read_file("/no/such/file")


def test_the_rest_of_the_results_is_untouched():
    tried = try_all(numbered(6, 9), make, 2)
    good, made, item = list(tried)[1]
    assert not good and made["square"] == 0 and made["name"] == b""
    assert item[0] == 7 and item[1] == b"n7"
    good, made, item = list(tried)[2]
    assert good and made["square"] == 64 and item[0] == 0 and item[1] == b""


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(UserError, match="max_share"):
        SkippedClips(share)
