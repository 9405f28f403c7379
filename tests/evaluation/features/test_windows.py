"""Labelled clips and their windows, from records of plain gray clips."""

import dataclasses

import numpy as np
import pytest
import record_fixtures

from brave_tf import config
from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.random_gray import random_gray
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation.features import windows
from brave_tf.evaluation.features.windows import EvalWindows

VIEW = RgbView(num_frames=2, frame_step=1, size=8, augmentations=())


def gray(value, label=None, frames=4, **fields):
    pixels = np.full((12, 16, 3), value, np.uint8)
    return record_fixtures.record(
        images=[record_fixtures.jpeg(pixels)] * frames,
        labels=[] if label is None else np.ravel(label).tolist(),
        path=f"{value}.mp4",
        **fields,
    )


def write(folder, described):
    """Gray values 20, 40, ... in two shards; clip 3 has no label, clip 4 no frames."""
    clips = [gray(20 * (i + 1), label=i % 3) for i in range(7)]
    clips[3] = gray(80)
    clips[4] = record_fixtures.record(audio=np.zeros(4800, np.float32), labels=[1])
    return record_fixtures.write_shards(folder, clips, 2, described=described)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write(tmp_path_factory.mktemp("records"), described=False)


def flat(dataset):
    """Gray value / 20, label, index, pass and path of each window."""
    found = []
    for clip in dataset.as_numpy_iterator():
        for window, *rest in zip(*(clip[k] for k in ("window", "label", "index", "pass", "path"))):
            found.append((round(float(np.mean(window)) * 255 / 20), *rest))
    return found


@pytest.mark.parametrize("described", [True, False])
def test_labels_are_of_the_usable_clips_in_the_order_of_the_shards(tmp_path, described):
    found = windows.labelled_clips(str(write(tmp_path, described)), "train", VIEW)
    np.testing.assert_array_equal(found.labels, [0, 2, 0, 1, 2])  # clips 0, 2, 6 and 1, 5
    assert found.total == 7


def test_every_pass_has_a_window_of_each_labelled_clip(records):
    dataset = windows.pass_windows(str(records), "train", VIEW, [(0, 0), (1, 0)], seed=0)
    assert dataset.element_spec["window"].shape == (1, *VIEW.shape)
    once = [(1, 0, 0), (3, 2, 1), (7, 0, 2), (2, 1, 3), (6, 2, 5)]
    found = flat(dataset)
    assert [each[:4] for each in found] == [(*each, n) for n in range(2) for each in once]
    assert found[1][4] == b"60.mp4"
    rest = windows.pass_windows(str(records), "train", VIEW, [(7, 5), (3, 2)], seed=0)
    assert [each[2:4] for each in flat(rest)] == [(5, 0), (2, 1), (3, 1), (5, 1)]


def test_windows_of_a_pass_depend_on_the_seed_and_the_number_of_the_pass(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    clips = [
        record_fixtures.record(images=[record_fixtures.jpeg(noise)] * 4, labels=[0])
        for _ in range(4)
    ]
    record_fixtures.write_shards(tmp_path, clips)
    view = dataclasses.replace(VIEW, augmentations=(random_flip,))

    def of(passes, seed=0):
        dataset = windows.pass_windows(str(tmp_path), "train", view, passes, seed)
        return np.array([clip["window"] for clip in dataset.as_numpy_iterator()])

    both = of([(0, 0), (1, 0)])
    first, second = both[:4], both[4:]
    np.testing.assert_array_equal(of([(1, 2)]), second[2:])
    assert not np.array_equal(first, second)
    assert not np.array_equal(of([(0, 0)], seed=1), first)
    assert not np.array_equal(first[0], first[1])


def test_crops_of_a_clip_come_together(records):
    dataset = windows.crop_windows(str(records), "train", VIEW, temporal=2, spatial=3)
    assert dataset.element_spec["window"].shape == (6, *VIEW.shape)
    once = [(1, 0, 0), (3, 2, 1), (7, 0, 2), (2, 1, 3), (6, 2, 5)]
    assert [each[:3] for each in flat(dataset)] == [clip for clip in once for _ in range(6)]
    rest = windows.crop_windows(str(records), "train", VIEW, 1, 1, start=3)
    assert [each[2] for each in flat(rest)] == [3, 5]


def test_labels_of_clips_that_have_several(tmp_path):
    record_fixtures.write_shards(tmp_path, [gray(20, [2, 0]), gray(40), gray(60, 1)])
    dataset = windows.crop_windows(str(tmp_path), "train", VIEW, 1, 1, num_labels=3)
    labels = [clip["label"][0].tolist() for clip in dataset.as_numpy_iterator()]
    assert labels == [[True, False, True], [False, True, False]]


def test_clips_are_found_again_by_their_keys(records):
    dataset = windows.crop_windows(str(records), "train", VIEW, 1, 1)
    index = [(clip["index"][0], clip["path"][0]) for clip in dataset.as_numpy_iterator()]
    paths = {windows.clip_key("train", number): path for number, path in index}
    found = windows.read_clips(str(records), reversed(list(paths)), VIEW)
    assert {key: clip.path.numpy() for key, clip in found} == paths
    with pytest.raises(UserError, match="no clip number 6 with rgb"):
        list(windows.read_clips(str(records), ["train/1", "train/6"], VIEW))


def test_the_version_changes_with_the_records(tmp_path):
    clips = [gray(10, 0), gray(20, 1)]
    record_fixtures.write_shards(tmp_path, clips)
    first = windows.labelled_clips(str(tmp_path), "train", VIEW)
    assert first.version == windows.labelled_clips(str(tmp_path), "train", VIEW).version
    record_fixtures.write_shards(tmp_path, [*clips, gray(30, 1)])
    assert first.version != windows.labelled_clips(str(tmp_path), "train", VIEW).version


def test_what_cannot_be_used_is_named(records, tmp_path):
    with pytest.raises(UserError, match="train"):
        windows.labelled_clips(str(records), "trian", VIEW)
    with pytest.raises(UserError, match="nowhere"):
        windows.labelled_clips(str(tmp_path / "nowhere"), "train", VIEW)
    silent = record_fixtures.write_shards(tmp_path, [gray(10, 1)])
    found = windows.labelled_clips(str(silent), "train", AudioView(duration=0.1))
    assert (len(found.labels), found.total) == (0, 1)


def test_the_published_window_is_twice_the_narrow_one():
    view = EvalWindows().view(RgbView(), is_narrow=True)
    assert view.shape == (32, 224, 224, 3)
    assert view.frame_step == 2
    assert view.augmentations == (random_flip, random_color)
    assert EvalWindows().crops(view) == (10, 3)
    broad = FlowView(resize=120)
    trained = dataclasses.replace(broad, step_augmentations=(random_flip,))
    view = EvalWindows().view(trained, is_narrow=False)
    assert view == dataclasses.replace(broad, augmentations=(random_flip,))


def test_windows_are_bound_in_gin():
    config.load_config([], ["eval_windows.num_frames = 3", "eval_windows.train_passes = 2"])
    settings = EvalWindows()
    view = settings.view(RgbView(resize=300), is_narrow=True)
    assert (view.num_frames, view.size, view.resize) == (3, 224, 300)
    assert settings.train_passes == 2
    view = EvalWindows(num_frames=3, size=64).view(RgbView(resize=300), is_narrow=True)
    assert (view.size, view.resize) == (64, None)
    view = EvalWindows(num_frames=3, size=64, resize=70).view(RgbView(), is_narrow=True)
    assert (view.size, view.resize) == (64, 70)


def test_test_crops_of_another_size():
    settings = EvalWindows(num_frames=3, test_size=256)
    view = settings.view(RgbView(), is_narrow=True)
    tested = settings.test_view(view)
    assert view.shape == (3, 224, 224, 3)
    assert tested == dataclasses.replace(view, size=256, resize=256)
    larger = EvalWindows(size=112, resize=300, test_size=256)
    assert larger.test_view(larger.view(RgbView(), is_narrow=True)).resize == 300
    view = EvalWindows().view(RgbView(), is_narrow=True)
    assert EvalWindows().test_view(view) is view
    with pytest.raises(UserError, match="eval_windows.test_size = 256 is of rgb and flow"):
        EvalWindows(test_size=256).test_view(AudioView(duration=0.1))
    with pytest.raises(UserError, match="eval_windows.test_size = 0"):
        EvalWindows(test_size=0)


def test_a_view_without_flips_is_evaluated_without_flips():
    unflipped = RgbView(augmentations=(random_gray,))
    settings = EvalWindows()
    assert settings.view(unflipped, is_narrow=True).augmentations == (random_color,)
    assert settings.view(FlowView(augmentations=()), is_narrow=False).augmentations == ()
    config.load_config([], ["RgbView.augmentations = [@scope/random_flip]"])
    assert settings.view(RgbView(), is_narrow=True).augmentations == (random_flip, random_color)


def test_what_is_kept_goes_by_augmentations_that_are_not_the_usual_ones():
    view = RgbView(augmentations=())
    assert windows.told_augmentations(view, (random_flip, random_color)) == []
    told = [windows.told_augmentations(view, each) for each in ((random_color,), ())]
    assert told[0] and told[1] and told[0] != told[1]


def test_augmentations_of_the_windows_are_bound():
    config.load_config([], ["eval_windows.augmentations = [@random_gray]"])
    view = EvalWindows().view(RgbView(), is_narrow=True)
    assert [each.__name__ for each in view.augmentations] == ["random_gray"]
    assert windows.told_augmentations(view, view.augmentations) == ["augmentations: random_gray"]


def test_sound_has_windows_of_its_view_only():
    audio = AudioView(duration=1.0)
    assert EvalWindows().view(audio, is_narrow=True) == audio
    assert EvalWindows().crops(audio) == (10, 1)
    with pytest.raises(UserError, match=r"AudioView\.duration"):
        EvalWindows(num_frames=8).view(audio, is_narrow=True)


@pytest.mark.parametrize(
    "settings", [{"train_passes": 0}, {"temporal_crops": 1.5}, {"batch_size": -2}, {"size": 0}]
)
def test_numbers_that_cannot_be_used(settings):
    (name,) = settings
    with pytest.raises(UserError, match=rf"eval_windows\.{name} = .*above 0"):
        EvalWindows(**settings)
