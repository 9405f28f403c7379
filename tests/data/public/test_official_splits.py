import itertools
import json

import pytest

from brave_tf.data.clips.clip_list import _SPLIT_NAME
from brave_tf.data.public import official_splits
from brave_tf.data.public.official_splits import (
    fold_name,
    held_out_fold,
    official_split,
    role_name,
    train_test_splits,
)
from brave_tf.errors import UserError

ALL = ["-".join(roles) for roles in itertools.product(("train", "test", "unused"), repeat=3)]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("role", ["train", "test", "unused"])
@pytest.mark.parametrize("names", [ALL, ALL[::2], ["unused-train-test", *ALL[3:20:4], "extra"]])
def test_the_splits_with_a_role(number, role, names):
    expected = [name for name in names if name in ALL and name.split("-")[number - 1] == role]
    if not expected:
        with pytest.raises(UserError, match=f"official split {number} has no clip for {role}"):
            official_split(names, number, role)
    else:
        assert sorted(expected) == official_split(names, number, role).split("+")


def test_roles_partition_the_clips():
    for number in (1, 2, 3):
        parts = [official_split(ALL, number, role).split("+") for role in official_splits.ROLES]
        assert sorted(itertools.chain(*parts)) == sorted(ALL)


def test_names_are_names_of_splits():
    names = [role_name(name.split("-")) for name in ALL] + [fold_name(fold) for fold in range(1, 6)]
    assert names == [*ALL, "fold1", "fold2", "fold3", "fold4", "fold5"]
    assert all(_SPLIT_NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize("roles", [["train"], ["train", "val", "test"], []])
def test_other_roles(roles):
    with pytest.raises(ValueError, match="two or more of"):
        role_name(roles)
    with pytest.raises(ValueError, match="expected one of"):
        official_split(ALL, 1, "val")


@pytest.mark.parametrize(("names", "number"), [(["train", "test"], 1), (ALL, 4), (ALL, 0), ([], 1)])
def test_no_such_official_split(names, number):
    with pytest.raises(UserError, match=f"official split {number} has no clip for train"):
        official_split(names, number, "train")


def test_folds():
    names = ["fold2", "fold1", "fold10", "fold3", "test"]
    assert held_out_fold(names, 2) == ("fold1+fold10+fold3", "fold2")
    assert [test for _, test in train_test_splits(names)] == ["fold1", "fold2", "fold3", "fold10"]
    for lacking in (["fold1", "fold3"], ["fold2"], ["train", "test"]):
        with pytest.raises(UserError, match="cannot hold out fold2 among"):
            held_out_fold(lacking, 2)


def test_all_official_splits():
    names = ["test-train-train", "train-test-train", "train-train-test", "train-train-train"]
    assert train_test_splits(names) == [
        ("train-test-train+train-train-test+train-train-train", "test-train-train"),
        ("test-train-train+train-train-test+train-train-train", "train-test-train"),
        ("test-train-train+train-test-train+train-train-train", "train-train-test"),
    ]
    with pytest.raises(UserError, match="official split 1 has no clip for train"):
        train_test_splits(["train", "test"])


def test_printed(tmp_path, capsys):
    (tmp_path / "dataset.json").write_text(json.dumps({"splits": {"fold1": {}, "fold2": {}}}))
    assert official_splits.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 train fold2",
        "1 test fold1",
        "2 train fold1",
        "2 test fold2",
    ]
    assert official_splits.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
