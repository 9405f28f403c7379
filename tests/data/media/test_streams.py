"""Files with several pictures or sounds: which of them are the clip."""

import numpy as np
import pytest
from av.stream import Disposition
from decoded import heard_at, numbers, samples
from media import click, numbered_frame, write_audio, write_video
from remuxed import remuxed

from brave_tf.data.media.media import MediaFile


def film(path, first=0, count=50, size=(48, 64), **options):
    frames = [numbered_frame(first + i, *size) for i in range(count)]
    return write_video(path, frames, options={"bf": "0"}, **options)


def sound(path, at):
    return write_audio(path, click(2.0, at), codec="flac")


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_thumbnail_is_not_the_film(tmp_path, extension, place):
    thumbnail = film(tmp_path / f"thumb.{extension}", 200, 1, (96, 128))
    parts = [film(tmp_path / f"film.{extension}")]
    parts.insert(place, thumbnail)
    assert numbers(remuxed(tmp_path / f"both.{extension}", parts)) == list(range(50))


@pytest.mark.parametrize("place", [0, 1])
def test_a_preview_with_few_small_pictures_is_not_the_film(tmp_path, place):
    preview = film(tmp_path / "preview.mp4", 200, 4, (32, 48), fps=2)
    parts = [film(tmp_path / "film.mp4")]
    parts.insert(place, preview)
    assert numbers(remuxed(tmp_path / "both.mp4", parts)) == list(range(50))


def test_the_larger_of_two_films(tmp_path):
    small, large = film(tmp_path / "a.mkv"), film(tmp_path / "b.mkv", 100, size=(96, 128))
    assert numbers(remuxed(tmp_path / "c.mkv", [small, large])) == list(range(100, 150))


def test_the_default_of_two_alike(tmp_path):
    parts = [film(tmp_path / "a.mkv"), film(tmp_path / "b.mkv", 100)]
    file = remuxed(tmp_path / "c.mkv", parts, dispositions=[0, Disposition.default.value])
    assert numbers(file) == list(range(100, 150))


def test_timed_thumbnails_and_stills_are_no_film(tmp_path):
    parts = [film(tmp_path / "a.mkv", 100), film(tmp_path / "b.mkv")]
    marked = [Disposition.timed_thumbnails.value, Disposition.default.value]
    with MediaFile(str(remuxed(tmp_path / "c.mkv", parts, dispositions=marked))) as media:
        assert media.has_video


BESIDE = ["comment", "visual_impaired", "hearing_impaired"]


@pytest.mark.parametrize("kind", [None, *BESIDE])
def test_the_sound_of_the_film_comes_first(tmp_path, kind):
    """The first of equal ones; commentaries and descriptions come last, wherever they are."""
    parts = [film(tmp_path / "film.mkv"), *(sound(tmp_path / f"{i}.mka", 0.5 + i) for i in (0, 1))]
    marked = [0, Disposition[kind].value if kind else 0, 0]
    file = remuxed(tmp_path / "all.mkv", parts, dispositions=marked)
    expected = 1.5 if kind else 0.5
    np.testing.assert_allclose(heard_at(samples(file)), [expected], atol=2e-3)


def test_the_default_sound(tmp_path):
    parts = [film(tmp_path / "film.mkv"), *(sound(tmp_path / f"{i}.mka", 0.5 + i) for i in (0, 1))]
    file = remuxed(tmp_path / "all.mkv", parts, dispositions=[0, 0, Disposition.default.value])
    np.testing.assert_allclose(heard_at(samples(file)), [1.5], atol=2e-3)


def test_a_stream_that_holds_nothing_is_none(tmp_path):
    silent = sound(tmp_path / "s.mka", 0.5)
    parts = [film(tmp_path / "film.mkv"), silent]
    nothing = lambda number, kind, time: time if kind == "audio" else None  # noqa: E731
    with MediaFile(str(remuxed(tmp_path / "all.mkv", parts, nothing))) as media:
        assert media.has_audio and not media.has_video
        np.testing.assert_allclose(heard_at(media.samples(0, None, 48000, False)), [0.5], atol=2e-3)
