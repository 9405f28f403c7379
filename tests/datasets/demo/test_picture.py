"""The picture of a clip's views."""

from __future__ import annotations

import base64
import itertools
import pathlib
import re
import xml.etree.ElementTree as ET

import command
import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
HREF = re.compile(r"data:image/\w+;base64,(.*)")
LEFT, PLOT, SECONDS = 156, 824, 1.6


@pytest.fixture(scope="module")
def picture():
    """The module datasets/demo/picture.py, which imports its neighbours by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "datasets" / "demo"))
        import picture

        yield picture


@pytest.fixture(scope="module")
def views(picture):
    return picture.views_of("target", 1)


def rows(text):
    """The pictures of each row, from the top, as (x, pixels), and all that is no picture."""
    found = []
    for group in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}g"):
        images = group.iter("{http://www.w3.org/2000/svg}image")
        found.append([(float(image.get("x")), pixels(image.get("href"))) for image in images])
    return found, re.sub(r'href="[^"]*"', "", text)


def pixels(href):
    encoded = np.frombuffer(base64.b64decode(HREF.fullmatch(href)[1]), np.uint8)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].astype(float)


def test_pictures_stand_at_their_seconds(picture, views):
    (narrow, flow, sound), _ = rows(picture.draw(views))
    seconds = [[(x - LEFT) / PLOT * SECONDS for x, _ in row] for row in (narrow, flow)]
    np.testing.assert_allclose(seconds[0], [0.4, 0.6, 0.8, 1.0], atol=0.01)
    np.testing.assert_allclose(seconds[1][:8], np.arange(8) * 0.2, atol=0.01)
    assert len(flow) == 9 and len(sound) == 1  # the wheel of colours stands with the flow


def test_pictures_are_the_views(picture, views):
    (narrow, flow, sound), _ = rows(picture.draw(views))
    for (_, shown), frame in zip(narrow, views["narrow"][::2]):
        assert np.abs(shown - 255 * frame).mean() < 5
    lengths = np.hypot(*np.moveaxis(views["broad_flow"], -1, 0))
    full = np.percentile(lengths, 99)
    for (_, shown), length in zip(flow, lengths):
        paleness = shown.min(axis=-1)
        assert paleness[length < 0.05 * full].mean() > 235
        assert (length > 0.7 * full).sum() < 50 or paleness[length > 0.7 * full].mean() < 90
    loudness = sound[0][1].sum(axis=-1)
    assert loudness.shape == views["broad_audio"].T.shape
    expected = views["broad_audio"].T[::-1]
    assert np.corrcoef(loudness.ravel(), expected.ravel())[0, 1] > 0.97


def test_the_page_has_the_picture_that_the_script_draws(picture, views):
    stored = (ROOT / "docs" / "pictures" / "views.svg").read_text()
    assert len(stored) < 150_000
    (old, layout), (new, expected) = rows(stored), rows(picture.draw(views))
    assert layout == expected
    for (_, before), (_, now) in zip(itertools.chain(*old), itertools.chain(*new)):
        assert np.abs(before - now).mean() < 8


def test_the_same_seed_gives_the_same_bytes(picture, views):
    assert picture.draw(picture.views_of("target", 1)) == picture.draw(views)
    assert not np.array_equal(picture.views_of("target", 2)["narrow"], views["narrow"])


def test_another_kind_of_file(picture, tmp_path, capsys):
    assert command.run(picture, f"--output={tmp_path / 'views.png'}") == 2
    assert "expected the name of an .svg file" in capsys.readouterr().err
    assert command.run(picture, f"--output={tmp_path / 'no' / 'views.svg'}", "--kind=moon") == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err
