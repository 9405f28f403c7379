"""The features of a dataset's clips, computed once."""

import dataclasses
import hashlib
import json

import coloured_clips
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf import config
from brave_tf.data.views.audio import AudioView
from brave_tf.errors import UserError
from brave_tf.evaluation.features import feature_bank, windows
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.windows import EvalWindows
from brave_tf.evaluation.protocols import knn, linear_layer, mlp, retrieval, svm
from brave_tf.features.store import Rows
from brave_tf.interop.models import ModelSource

SETTINGS = EvalWindows(train_passes=2, temporal_crops=2, spatial_crops=1)


def bank(data_dir, settings=SETTINGS, num_labels=None, **fields):
    return FeatureBank(coloured_clips.probe(**fields), data_dir, num_labels, settings)


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    return coloured_clips.write(folder, {"fold1": [0, None, 1], "fold2": [1, 0]})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def test_features_are_those_of_each_window(folds, cache):
    found = bank(folds, cache=cache).train("fold1+fold2")
    assert found.features.shape == (4, 2, 6)
    assert found.keys.tolist() == ["fold1/0", "fold1/2", "fold2/0", "fold2/1"]
    assert found.paths.tolist() == ["fold1/0.mp4", "fold1/2.mp4", "fold2/0.mp4", "fold2/1.mp4"]
    assert found.labels.tolist() == [0, 1, 1, 0]
    assert (len(found), found.missing) == (4, 1)
    view = SETTINGS.view(coloured_clips.VIEW, is_narrow=True)
    dataset = windows.pass_windows(folds, "fold2", view, [(0, 0), (1, 0)], seed=0)
    each = np.concatenate([coloured_clips.moments(clip["window"]) for clip in dataset])
    np.testing.assert_allclose(found.features[2:, 0], each[:2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.features[2:, 1], each[2:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.mean[2:], (each[:2] + each[2:]) / 2, rtol=1e-5, atol=1e-6)


@pytest.fixture
def computed(monkeypatch):
    """Puts numbers in the place of features; lists how many windows of each call they were."""
    calls = []

    def extract(embed, jobs, **kwargs):
        del embed, kwargs
        calls.append(0)
        for job in jobs:
            for number, start in job.missing():
                index = np.arange(start, job.clips)
                calls[-1] += job.group * len(index)
                shape = (len(index), 1 if job.average else job.group, 2)
                features = np.full(shape, number, np.float32)
                job.stores[number].add(Rows(features, index, index, index.astype(str)))
                job.stores[number].finish()

    monkeypatch.setattr(feature_bank, "extract", extract)
    return calls


def test_another_protocol_fold_or_run_computes_nothing_again(folds, tmp_path, computed):
    def of(train_passes=1, **fields):
        settings = EvalWindows(train_passes=train_passes, temporal_crops=5, spatial_crops=3)
        return bank(folds, settings, **{"weights": "w", "cache": str(tmp_path), **fields})

    of().train("fold1")
    of().train("fold1+fold2")
    features = of(3).train("fold1+fold2").features
    np.testing.assert_array_equal(features[:, :, 0], [[0, 1, 2]] * 4)
    of(3).train("fold2")
    assert computed == [2, 2, 8, 0]
    computed.clear()
    of().test("fold1")
    of().test("fold1")
    of().test("fold2", average=False)
    of().test("fold1+fold2")  # the mean of the crops of fold2, which are there
    assert computed == [30, 0, 30, 0]
    computed.clear()
    of(weights="other").train("fold2")
    of(precision="mixed_bfloat16").train("fold2")
    of(view=dataclasses.replace(coloured_clips.VIEW, size=6)).train("fold2")
    config.load_config([], [f"{svm.linear_svm.__name__}.C = 3"])
    of().train("fold2")
    config.load_config([], ["random_color.probability = 0.25"])
    of().train("fold2")
    assert computed == [2, 2, 2, 0, 2]


def test_another_size_of_test_crops_is_computed_anew_and_told(folds, tmp_path, computed):
    def of(**changes):
        settings = EvalWindows(train_passes=1, temporal_crops=5, spatial_crops=3, **changes)
        return bank(folds, settings, weights="w", cache=str(tmp_path))

    for settings in ({}, {"test_size": 9}, {"test_size": 9}):
        of(**settings).train("fold1")
        of(**settings).test("fold1")
    assert computed == [2, 30, 0, 30, 0, 0]
    assert of(test_size=9).settings["test_size"] == 9
    assert "test_size" not in of().settings


def test_test_crops_have_their_size(folds):
    seen = []

    def embed(crops):
        seen.append(crops.shape)
        return tf.reduce_mean(crops, axis=(1, 2, 3))

    probe = coloured_clips.probe()
    probe = dataclasses.replace(probe, backbone=dataclasses.replace(probe.backbone, embed=embed))
    settings = dataclasses.replace(SETTINGS, test_size=12)
    each = FeatureBank(probe, folds, None, settings)
    each.train("fold2")
    assert {shape[2] for shape in seen} == {coloured_clips.VIEW.size}
    seen.clear()
    each.test("fold2")
    assert {shape[2] for shape in seen} == {12}


def test_parts_have_the_same_features(folds, cache):
    each = bank(folds, cache=cache)
    whole = each.train("fold1+fold2")
    for number, parts in enumerate(each.train_parts("fold1+fold2")):
        loaded = [part.load() for part in parts]
        assert [part.rows for part in parts] == [len(part) for part in loaded] == [2, 2]
        found = np.concatenate([part.features for part in loaded])
        np.testing.assert_array_equal(found, whole.features[:, number : number + 1])
        assert np.concatenate([part.keys for part in loaded]).tolist() == whole.keys.tolist()
    mean = each.test("fold2").mean
    (part,) = each.test_parts("fold2")
    crops = part.load()
    assert crops.features.shape == (2, 2, 6)
    np.testing.assert_allclose(crops.mean, mean, rtol=1e-6)
    np.testing.assert_array_equal(each.test("fold2", average=False).features, crops.features)


def test_clips_with_several_labels(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"train": [[0, 2], None, [1]]})
    found = bank(data_dir, num_labels=3).test("train")
    assert found.labels.tolist() == [[True, False, True], [False, True, False]]
    assert found.missing == 1


def test_a_split_of_records_without_usable_clips_adds_none(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"a": [0, 1], "b": [None, None]})
    sound = [record_fixtures.record(audio=np.zeros(4800, np.float32), labels=[1])]
    record_fixtures.write_shards(tmp_path, sound, split="c")
    found = bank(data_dir).test("a+b+c")
    assert (len(found), found.missing) == (2, 3)


def test_splits_without_any_usable_clip_are_named(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"a": [0, 1], "b": [None, None]})
    with pytest.raises(UserError, match="no clip of split 'b' has both rgb and a label"):
        bank(data_dir).labels("b")
    with pytest.raises(UserError, match="audio"):
        bank(data_dir, view=AudioView(duration=0.1)).labels("a+b")
    empty = record_fixtures.write_shards(tmp_path / "empty", [])
    with pytest.raises(UserError, match="rgb|no record can be read"):
        bank(str(empty)).labels("train")


def test_a_clip_that_is_damaged_is_missing(tmp_path):
    good = [record_fixtures.jpeg(np.full((12, 16, 3), 50 * i, np.uint8)) for i in range(3)]
    records = [record_fixtures.record(images=[image] * 4, labels=[0]) for image in good]
    records[1] = record_fixtures.record(images=[b"no jpeg"] * 4, labels=[0])
    record_fixtures.write_shards(tmp_path, records)
    for found in (bank(str(tmp_path)).train("train"), bank(str(tmp_path)).test("train")):
        assert found.keys.tolist() == ["train/0", "train/2"]
        assert found.missing == 1


def test_a_batch_is_divided_over_devices(folds, cache):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    with pytest.raises(UserError, match="batch_size = 3 cannot be divided over 2"):
        bank(folds, EvalWindows(batch_size=3), strategy=strategy)
    shared = bank(folds, strategy=strategy).test("fold2")
    alone = bank(folds, cache=cache).test("fold2")
    np.testing.assert_allclose(shared.features, alone.features, atol=1e-6)


def spoiling(value, **fields):
    """A backbone whose first feature of bright red clips is a value."""

    def embed(batch):
        found = coloured_clips.moments(batch)
        red = (found[:, :1] > found[:, 1:2]) & (found[:, :1] > found[:, 2:3])
        return tf.where(red, tf.concat([found[:, :1] * 0 + value, found[:, 1:]], 1), found)

    return coloured_clips.probe(embed=embed, source=ModelSource("runs/bad"), **fields)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "protocol",
    [svm.linear_svm, knn.knn, retrieval.retrieval, linear_layer.linear_layer, mlp.mlp],
)
def test_features_that_are_not_finite_end_every_protocol(folds, tmp_path, protocol, value):
    config.load_config([], ["mlp.several_labels = False", "eval_windows.train_passes = 1"])
    data_dir = coloured_clips.write(tmp_path, {"train": [1, 2, 0] * 4, "test": [1, 0, 2]})
    with pytest.raises(UserError) as error:
        protocol(spoiling(value), data_dir)
    kind = "NaN" if np.isnan(value) else "infinite"
    for part in ("runs/bad, view 'narrow'", "4 of 12 clips", f"train/2.mp4 ({kind})"):
        assert part in str(error.value)


def test_nothing_that_is_not_finite_is_stored(folds, tmp_path):
    each = FeatureBank(spoiling(np.nan, cache=str(tmp_path)), folds, None, SETTINGS)
    for read in (each.train, each.test):
        with pytest.raises(UserError, match="1 of 2 clips are not finite: fold1/0.mp4"):
            read("fold1")
    assert not list(tmp_path.rglob("*.npz"))


def sign(path):
    """Makes a file of cached features one that is what was written, by the list of them."""
    content = json.loads((path.parent / "store.json").read_text())
    (part,) = content["parts"]
    part.update(bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    del content["sha256"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (path.parent / "store.json").write_text(json.dumps({**content, "sha256": digest}))


@pytest.mark.parametrize("parts", [False, True])
def test_what_is_not_finite_in_the_cache_is_an_error(folds, tmp_path, parts):
    good = bank(folds, weights="w", cache=str(tmp_path))
    good.test("fold2", average=False)
    (path,) = tmp_path.rglob("*.npz")
    columns = dict(np.load(path))
    columns["features"][1, 0, 0] = np.inf
    np.savez(path, **columns)
    sign(path)
    again = bank(folds, weights="w", cache=str(tmp_path), source=ModelSource("runs/bad"))
    message = r"runs/bad, view 'narrow': .* 1 of 2 clips are not finite: fold2/1.mp4 \(infinite\)"
    with pytest.raises(UserError, match=message):
        [part.load() for part in again.test_parts("fold2")] if parts else again.test("fold2")


def test_means_of_the_largest_floats_are_finite(folds):
    largest = np.finfo(np.float32).max
    embed = lambda batch: coloured_clips.moments(batch) * 0 + largest  # noqa: E731
    each = FeatureBank(coloured_clips.probe(embed=embed), folds, None, SETTINGS)
    for found in (each.train("fold2"), each.test("fold2"), each.test("fold2", average=False)):
        np.testing.assert_array_equal(found.mean, np.full((2, 6), largest))
