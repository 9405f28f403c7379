"""Which row and group a clip has in batches."""

import dataclasses
import functools

import noise_clips
import numpy as np
import pytest
import record_fixtures
import service
import tensorflow as tf
from noise_clips import RGB

from brave_tf import config
from brave_tf.data.pipeline.clip_fields import ClipFields, ClipGroups, check_names, matched_part
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError

CLIPS = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    records = [noise_clips.clip(number) for number in range(CLIPS)]
    return record_fixtures.write_shards(tmp_path_factory.mktemp("eleven"), records, 3)


@functools.lru_cache
def rows_of(folder, names=("narrow",), part=None):
    views = {**RGB, "broad_audio": noise_clips.VIEWS["broad_audio"]}
    return open_source(str(folder)).rows("train", {name: views[name] for name in names}, part)


def fields(folder, once=True, views=RGB, part=None, names=("clip_id",), **groups):
    return ClipFields(names, rows_of(folder, tuple(views), part), once, ClipGroups(**groups))


def batches(folder, number, batch_size=4, part=None, asked=None, **kwargs):
    asked = asked or fields(folder, part=part)
    return noise_clips.batches(
        folder, number, batch_size=batch_size, clip_fields=asked, part=part, **kwargs
    )


def stored_order(folder):
    """Label of each clip in the order of the shards, which is the row that it has to have."""
    return noise_clips.labels(noise_clips.batches(folder, 99, training=False))


def rows_and_labels(some_batches):
    return [
        (int(row), int(label))
        for batch in some_batches
        for row, label in zip(batch["clip_id"], batch["label"])
    ]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"seed": 1},
        {"seed": 2, "shuffle_buffer": 2, "num_parallel": 1},
        {"seed": 3, "input_context": tf.distribute.InputContext(2, 1, 2)},
        {"seed": 4, "input_context": tf.distribute.InputContext(4, 2, 4), "batch_size": 8},
        {"training": False},
    ],
)
@pytest.mark.parametrize("once", [False, True])
def test_a_row_is_the_place_of_a_clip_in_its_split(folder, kwargs, once):
    order = stored_order(folder)
    found = rows_and_labels(batches(folder, 9, asked=fields(folder, once), **kwargs))
    assert len(found) > 4
    assert all(order[row] == label for row, label in found)


def test_no_row_is_in_a_batch_twice_and_all_come(folder):
    found = batches(folder, 40, batch_size=8)
    for batch in found:
        assert len(set(batch["clip_id"])) == 8
    # Three of eleven are left out of each epoch; each is as likely to be as any other.
    counts = np.bincount(np.concatenate([batch["clip_id"] for batch in found]), minlength=CLIPS)
    assert counts.min() > 18 and counts.sum() == 320


def test_without_shuffling_too_all_clips_come(folder):
    found = batches(folder, 30, batch_size=8, shuffle_buffer=1)
    counts = np.bincount(np.concatenate([batch["clip_id"] for batch in found]), minlength=CLIPS)
    assert counts.min() > 10


@pytest.mark.parametrize("pipelines", [2, 4])
@pytest.mark.parametrize("described", [True, False])
def test_no_row_is_in_a_global_batch_twice(tmp_path, pipelines, described):
    # Four pipelines share the records of three shards.
    records = [noise_clips.clip(number) for number in range(13)]
    record_fixtures.write_shards(tmp_path, records, 3, described=described)
    asked = fields(tmp_path)
    assert asked.rows.count == 13
    shares = [
        batches(
            tmp_path,
            10,
            batch_size=2 * pipelines,
            asked=asked,
            input_context=tf.distribute.InputContext(pipelines, number, pipelines),
        )
        for number in range(pipelines)
    ]
    for step in range(10):
        rows = np.concatenate([share[step]["clip_id"] for share in shares])
        assert len(set(rows)) == 2 * pipelines


def test_a_run_goes_on_with_the_same_batches(folder):
    whole = batches(folder, 7, batch_size=8, seed=3)
    noise_clips.assert_equal(whole[4:], batches(folder, 3, batch_size=8, seed=3, start_batch=4))


def test_without_being_asked_batches_are_what_they_were(folder):
    asked = batches(folder, 5, asked=fields(folder, once=False))
    plain = noise_clips.batches(folder, 5)
    for batch in asked:
        del batch["clip_id"]
    noise_clips.assert_equal(asked, plain)
    unique = batches(folder, 1, asked=fields(folder, names=()))
    assert unique[0].keys() == plain[0].keys()


@pytest.mark.parametrize("held_out", [False, True])
def test_the_part_that_is_trained_on_has_rows_of_its_own(folder, held_out):
    part = (3, held_out)
    order = noise_clips.labels(noise_clips.batches(folder, 99, training=False, part=part))
    asked = fields(folder, part=part)
    assert asked.rows.count == len(order) == (4 if held_out else 7)
    found = rows_and_labels(batches(folder, 5, part=part, asked=asked))
    assert all(order[row] == label for row, label in found)


def test_clips_that_lack_a_modality_have_no_row(tmp_path):
    records = [noise_clips.clip(number, audio=number % 3 > 0) for number in range(9)]
    record_fixtures.write_shards(tmp_path, records, 2)
    views = {"narrow": RGB["narrow"], "broad_audio": noise_clips.VIEWS["broad_audio"]}
    order = noise_clips.labels(noise_clips.batches(tmp_path, 9, views, training=False))
    asked = fields(tmp_path, views=views)
    assert asked.rows.count == len(order) == 6
    found = rows_and_labels(batches(tmp_path, 4, views=views, asked=asked))
    assert all(order[row] == label for row, label in found)


def test_clips_without_rows(folder):
    asked = ClipFields(("clip_id", "group"), None, False, ClipGroups())
    (batch,) = noise_clips.batches(folder, 1, clip_fields=asked)
    assert batch["clip_id"].tolist() == [-1] * 4 and batch["clip_id"].dtype == np.int64


def test_what_takes_the_place_of_a_damaged_clip_has_its_row_once(tmp_path):
    noise_clips.write_damaged(tmp_path)
    config.load_config([], ["SkippedClips.max_share = 0.5"])
    found = batches(tmp_path, 12, batch_size=6)
    whole = 0
    for batch in found:
        rows = batch["clip_id"][batch["clip_id"] >= 0]
        assert len(set(rows)) == len(rows)
        whole += len(rows) == 6
    assert 0 < whole < 12
    noise_clips.assert_equal(found[7:], batches(tmp_path, 5, batch_size=6, start_batch=7))


def test_a_tf_data_service_gives_the_same_rows(folder):
    order = stored_order(folder)
    with service.running(workers=2) as address:
        found = batches(folder, 12, batch_size=8, service=address)
    for batch in found:
        assert len(set(batch["clip_id"])) == 8 and batch["clip_id"].min() >= 0
    assert all(order[row] == label for row, label in rows_and_labels(found))


def test_too_few_clips_for_a_batch(folder):
    with pytest.raises(UserError, match="has 11 clips, but 12 of each batch .* lower train.batch"):
        batches(folder, 1, batch_size=12)
    context = tf.distribute.InputContext(4, 0, 4)
    with pytest.raises(UserError, match="has 2 clips, but 3 of each batch"):
        batches(folder, 1, batch_size=12, input_context=context)


def test_rows_know_what_is_in_them(folder, tmp_path):
    def digest(numbers, name, shards=3, **changes):
        records = [noise_clips.clip(number, **changes) for number in numbers]
        record_fixtures.write_shards(tmp_path / name, records, shards)
        return fields(tmp_path / name).rows.digest

    expected = fields(folder).rows.digest
    assert digest(range(CLIPS), "same") == expected
    others = {
        digest(range(CLIPS), "in other shards", 2),
        digest([1, 0, *range(2, CLIPS)], "in another order"),
        digest([*range(CLIPS - 1), 17], "with another clip"),
        digest(range(CLIPS), "with another window", window=(0, 5)),
        fields(folder, part=(3, False)).rows.digest,
    }
    assert len(others) == 5 and expected not in others


def test_records_that_are_hashed_are_not_looked_at(folder, monkeypatch):
    def told(hashes):
        source = open_source(str(folder))
        split = source._info.splits["train"]
        shards = tuple(
            dataclasses.replace(shard, sha256=text) for shard, text in zip(split.shards, hashes)
        )
        changed = dataclasses.replace(split, shards=shards)
        source._info.splits["train"] = changed
        return source.rows("train", RGB)

    monkeypatch.setattr("brave_tf.data.sources.record_rows._looked_at", None)
    first, other = told("abc"), told("abd")
    assert first.count == CLIPS and first.digest != other.digest


def groups_of(folder, **groups):
    asked = fields(folder, names=("group",), once=False, **groups)
    (batch,) = batches(folder, 1, batch_size=CLIPS, asked=asked, training=False)
    return dict(zip(batch["label"].tolist(), batch["group"].tolist()))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    paths = ["v_a_g01_c01.avi", "v_a_g01_c02.avi", "v_a_g02_c01.avi", "x/v_a_g01_c03.avi", "b.avi"]
    paths += ["b.avi"]
    records = []
    for number, path in enumerate(paths):
        example = tf.train.SequenceExample.FromString(noise_clips.clip(number))
        features = example.context.feature
        features["clip/data_path"].bytes_list.value[:] = [path.encode()]
        features["clip/source"].bytes_list.value[:] = [b"two"[: number // 3]]
        records.append(example.SerializeToString())
    return record_fixtures.write_shards(tmp_path_factory.mktemp("films"), records, 2)


def same(groups):
    """The sets of labels whose clips share a group."""
    return {
        frozenset(label for label, other in groups.items() if other == group)
        for group in groups.values()
    }


def test_clips_of_a_file_are_a_group(films):
    assert same(groups_of(films)) == {frozenset(each) for each in ([0], [1], [2], [3], [4, 5])}


def test_a_part_of_the_path_may_be_the_group(films):
    found = groups_of(films, of_path=lambda path: matched_part(path, r"v_\w+_g\d+"))
    assert same(found) == {frozenset([0, 1, 3]), frozenset([2]), frozenset([4, 5])}


def test_a_field_of_the_records_may_be_the_group(films):
    found = groups_of(films, field="clip/source")
    assert same(found) == {frozenset([0, 1, 2]), frozenset([3, 4, 5])}


def test_groups_do_not_depend_on_the_process_or_the_shards(films):
    # Of the fingerprint whose values are promised to stay, modulo 2^63 - 1.
    assert groups_of(films)[4] == 6389100570697115763


@pytest.mark.parametrize(
    "groups, message",
    [
        ({"field": "clip/sauce"}, "clip/sauce.*has no clip/sauce.*or None for the path"),
        ({"of_path": lambda path: matched_part(path, "(")}, "matched_part.pattern = .*RE2"),
    ],
)
def test_refuses_groups_that_clips_do_not_tell(films, groups, message):
    with pytest.raises(UserError, match=message):
        groups_of(films, **groups)


def test_refuses_names_that_are_taken(folder):
    views = {"clip_id": RGB["narrow"]}
    with pytest.raises(UserError, match="a view cannot be called 'clip_id'"):
        batches(folder, 1, views=views)
    noise_clips.batches(folder, 1, views=views)
    with pytest.raises(
        UserError, match=r"Mine.clip_fields = \('clip_ids',\): .*Did you mean clip_id"
    ):
        check_names(("clip_ids",), "Mine")
