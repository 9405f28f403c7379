"""What weights and data are known by."""

import dataclasses
import json
import os
import shutil

import coloured_records
import pytest
import untrained_run

from brave_tf.evaluation.features import identity
from brave_tf.evaluation.features.probe import load_probes
from brave_tf.interop import models, saved_model
from brave_tf.storage.digests import digest_of_weights


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with a run `model` and its export `exported`."""
    folder = tmp_path_factory.mktemp("identity")
    model_dir = untrained_run.write_run(folder)
    saved_model.export_run(str(model_dir), str(folder / "exported"))
    return folder


@pytest.mark.parametrize("view", ["narrow", "broad_audio"])
def test_weights_have_one_hash_wherever_they_are(original, tmp_path, view):
    shutil.copytree(original / "model", tmp_path / "copy")
    hashes = []
    for of in (
        models.ModelSource(str(original / "model")),
        models.ModelSource(str(tmp_path / "copy")),
        models.ModelSource(str(original / "exported"), models.EXPORTED),
    ):
        models.configure(of, [], [])
        hashes.append(load_probes(of, of.views())[0](view).backbone.weights)
    stored = saved_model.stored_weights(str(original / "exported"), view)
    hashes.append(digest_of_weights(stored))
    assert len(set(hashes)) == 1


def test_data_are_known_by_what_they_hold(tmp_path):
    clips = {"train": 4, "test": 2}
    first = coloured_records.write(tmp_path / "first", clips)
    for shard in json.loads((first / "dataset.json").read_text())["splits"]["train"]["shards"]:
        assert shard["sha256"] == ""  # Then it is the time of change.
    before = identity.of_data(str(first))
    assert before == identity.of_data(f"{first}/../first")
    assert before == identity.of_data(str(shutil.copytree(first, tmp_path / "copy")))
    labels = first / "labels.txt"
    labels.write_text("other\nnames\n")
    assert before != identity.of_data(str(first))
    labels.unlink()
    assert before == identity.of_data(str(first))
    shard = next(first.glob("train*"))
    os.utime(shard, (1, 1))
    assert before != identity.of_data(str(first))
    # The split that was not changed.
    assert identity.of_data(str(first), ["test"]) == identity.of_data(
        str(tmp_path / "copy"), ["test"]
    )


def test_hashes_of_shards_are_worth_more_than_their_times(tmp_path):
    folder = coloured_records.write(tmp_path / "a", {"train": 4})
    content = json.loads((folder / "dataset.json").read_text())
    for shard in content["splits"]["train"]["shards"]:
        shard["sha256"] = "abc"
    (folder / "dataset.json").write_text(json.dumps(content))
    before = identity.of_data(str(folder))
    for path in folder.glob("train*"):
        os.utime(path, (1, 1))
    assert before == identity.of_data(str(folder))
    content["splits"]["train"]["shards"][0]["sha256"] = "abd"
    (folder / "dataset.json").write_text(json.dumps(content))
    assert before != identity.of_data(str(folder))


def test_a_folder_of_something_else_is_known_by_its_files(tmp_path):
    before = identity.of_data(str(tmp_path))
    assert before == identity.of_data(str(tmp_path))
    (tmp_path / "table.parquet").write_text("1")
    assert before != identity.of_data(str(tmp_path))


def test_the_id_of_a_run_is_not_compared():
    first = identity.Identity("w", "float32", "d", "s", run="a")
    assert first == dataclasses.replace(first, run="b")
    assert first != dataclasses.replace(first, data="e")
