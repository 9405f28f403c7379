import pathlib
import pickle

import gin
import pytest

from brave_tf import errors


def test_an_argument_is_named_by_its_value_or_its_name():
    of_text = errors.ArgumentError("input", "videos", "no such folder.")
    of_path = errors.ArgumentError("input", pathlib.Path("videos"), "no such folder.")
    of_number = errors.ArgumentError("every", 2, "choose another number.")
    assert str(of_text) == str(of_path) == "videos: no such folder."
    assert str(of_number) == "every = 2: choose another number."


@pytest.mark.parametrize(
    "form, expected",
    [
        ("--input={}", "--input=videos: no such folder."),
        ("train.data_dir = {!r}", "train.data_dir = 'videos': no such folder."),
    ],
)
def test_who_gave_an_argument_says_how(form, expected):
    with (
        pytest.raises(errors.ArgumentError) as caught,
        errors.named(input=form, output="--output={}"),
    ):
        raise errors.ArgumentError("input", "videos", "no such folder.")
    assert str(caught.value) == expected


@gin.configurable
def _opened(source: str) -> None:
    raise errors.ArgumentError("input", source, "no such folder.")


def test_who_gave_an_argument_says_how_through_a_configurable():
    with pytest.raises(errors.ArgumentError) as caught, errors.named(input="--input={}"):
        _opened("videos")
    assert errors.message(caught.value) == "--input=videos: no such folder."


def test_who_is_nearest_to_the_user_says_how_last():
    with (
        pytest.raises(errors.ArgumentError, match="^--data=videos: gone"),
        errors.named(input="--data={}"),
        errors.named(input="train.data_dir = {!r}"),
    ):
        raise errors.ArgumentError("input", "videos", "gone")


def test_other_errors_and_arguments_pass():
    with (
        pytest.raises(errors.ArgumentError, match="^videos: gone"),
        errors.named(output="--output={}"),
    ):
        raise errors.ArgumentError("input", "videos", "gone")
    with pytest.raises(errors.UserError, match="^plain"), errors.named(input="--input={}"):
        raise errors.UserError("plain")


def test_it_is_whole_when_it_comes_from_another_process():
    error = pickle.loads(pickle.dumps(errors.ArgumentError("input", "videos", "gone")))
    assert (str(error), error.argument, error.value) == ("videos: gone", "input", "videos")
