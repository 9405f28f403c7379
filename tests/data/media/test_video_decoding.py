"""Sizes, orientation and colours of decoded pictures."""

import gc

import av
import numpy as np
import pytest
from decoded import frames
from media import (
    moving_texture,
    set_display_matrix,
    write_video,
)

from brave_tf.data.media import video_decoding

QUARTER_TURNS_AND_MIRRORS = [
    ((1, 0), (0, 1)),
    ((0, 1), (-1, 0)),
    ((-1, 0), (0, -1)),
    ((0, -1), (1, 0)),
    ((-1, 0), (0, 1)),
    ((1, 0), (0, -1)),
    ((0, 1), (1, 0)),
    ((0, -1), (-1, 0)),
]


@pytest.mark.parametrize(
    ("size", "min_side", "expected"),
    [
        ((48, 64), 24, (24, 32)),
        ((64, 48), 24, (32, 24)),
        ((45, 101), 30, (30, 68)),
        ((48, 64), 96, (96, 128)),
        ((50, 50), 32, (32, 32)),
    ],
)
def test_short_side_is_exact_and_long_side_even(tmp_path, size, min_side, expected):
    file = write_video(
        tmp_path / "clip.avi", moving_texture(3, *size), codec="ffv1", pixel_format="yuv444p"
    )
    for frame in frames(file, min_side=min_side):
        assert frame.shape == (*expected, 3)
        assert frame.dtype == np.uint8


def test_shrinking_averages_areas(tmp_path):
    texture = moving_texture(1, 96, 128)[0]
    file = write_video(tmp_path / "clip.avi", [texture], codec="png", pixel_format="rgb24")
    blocks = texture.reshape(24, 4, 32, 4, 3).mean(axis=(1, 3))
    (frame,) = frames(file, min_side=24)
    np.testing.assert_allclose(frame[..., ::-1], blocks, atol=0.51)


@pytest.mark.parametrize("matrix", QUARTER_TURNS_AND_MIRRORS)
def test_display_matrix_is_applied(tmp_path, matrix):
    file = write_video(tmp_path / "clip.mp4", moving_texture(2, 48, 64))
    stored = frames(file)[0]
    set_display_matrix(file, matrix)
    # Every stored point (x, y), measured from the centre, moves to (x, y) @ matrix.
    height, width = stored.shape[:2]
    y, x = np.mgrid[:height, :width] * 2.0 - np.array([height - 1, width - 1])[:, None, None]
    points = np.stack([x, y], -1) @ np.array(matrix)
    columns, rows = ((points - points.min((0, 1))) / 2).astype(int).transpose(2, 0, 1)
    expected = np.zeros((rows.max() + 1, columns.max() + 1, 3), np.uint8)
    expected[rows, columns] = stored
    np.testing.assert_array_equal(frames(file)[0], expected)


def test_a_film_that_is_turned_midway_stays_upright(tmp_path):
    texture = moving_texture(2, 48, 48)
    plain = write_video(tmp_path / "plain.avi", texture, codec="ffv1", pixel_format="bgr0")
    turned = write_video(tmp_path / "turned.mp4", texture)
    set_display_matrix(turned, ((0, 1), (-1, 0)))
    upright = frames(turned)
    with av.open(str(plain)) as first, av.open(str(turned)) as second:
        film = [*first.decode(video=0), *second.decode(video=0)]
        images = list(video_decoding.convert(film, None))
    np.testing.assert_array_equal(images[:2], np.stack(texture)[..., ::-1])
    np.testing.assert_array_equal(images[2:], upright)


def test_what_a_picture_says_holds_for_those_that_say_nothing(tmp_path):
    """H.264 may tell the orientation with its first picture alone."""
    texture = moving_texture(2, 48, 48)
    plain = write_video(tmp_path / "plain.avi", texture, codec="ffv1", pixel_format="bgr0")
    turned = write_video(tmp_path / "turned.mp4", texture)
    set_display_matrix(turned, ((0, 1), (-1, 0)))
    with av.open(str(plain)) as first, av.open(str(turned)) as second:
        film = [*second.decode(video=0), *first.decode(video=0)]
        images = list(video_decoding.convert(film, None))
    expected = [np.rot90(image[..., ::-1], -1) for image in texture]
    np.testing.assert_array_equal(images[2:], expected)


def test_decoded_pictures_do_not_wait_for_the_garbage_collector(tmp_path):
    file = write_video(tmp_path / "clip.mp4", moving_texture(8, 48, 64))
    set_display_matrix(file, ((-1, 0), (0, 1)))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert len(frames(file)) == 8
        gc.collect()
        waiting = [each for each in gc.garbage if isinstance(each, av.VideoFrame)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert all(frame.width < 64 for frame in waiting)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("colorspace", "kr", "kb"), [(5, 0.299, 0.114), (1, 0.2126, 0.0722)])
def test_colours_follow_the_stated_matrix_and_range(tmp_path, colorspace, kr, kb, full_range):
    luma, cb, cr = 120, 90, 170
    path = str(tmp_path / "clip.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = 2 if full_range else 1
        planes = np.array([luma, cb, cr], np.uint8)[:, None, None] * np.ones((1, 48, 64), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p", channel_last=False)
        frame.colorspace, frame.color_range = colorspace, 2 if full_range else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # ITU-R BT.601 and BT.709, in terms of kr and kb.
    y = luma / 255 if full_range else (luma - 16) / 219
    u, v = (np.array([cb, cr]) - 128) / (255 if full_range else 224)
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    expected = 255 * np.array([blue, green, red])
    np.testing.assert_allclose(frames(path)[0][20, 20], expected, atol=2)
