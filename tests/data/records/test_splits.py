"""What the names of splits stand for."""

import pytest

from brave_tf.data.records.splits import about_folds, parts_of
from brave_tf.errors import UserError

FOLDS = ("fold1", "fold2", "fold10")


@pytest.mark.parametrize(
    ("split", "parts"),
    [("fold2", ["fold2"]), ("fold2+fold1", ["fold2", "fold1"]), ("*", list(FOLDS))],
)
def test_names(split, parts):
    assert parts_of(split, FOLDS, "here") == parts


@pytest.mark.parametrize(
    ("split", "names", "said"),
    [
        ("trian", ("train",), r"^here has no split 'trian', it has: train\. Did you mean train\?$"),
        ("train+val", ("train", "test"), "no split 'val', it has: test, train"),
        ("train", FOLDS, r"no split 'train'.*bind train\.split = '\*'.*folds/"),
        ("fold1+*", FOLDS, r"no split '\*'"),
        ("*", ("*", "train"), "a split that is called '\\*'.*rename"),
    ],
)
def test_names_of_nothing(split, names, said):
    with pytest.raises(UserError, match=said):
        parts_of(split, names, "here")


def test_folds_are_told_where_there_are_some():
    assert "folds/" in about_folds(["fold1", "test"])
    assert about_folds(["train", "folder1", "fold0"]) == ""
