"""What is shown of neighbours, against a plain search."""

import types

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.objectives.coclr import CoCLR
from brave_tf.training.monitors.mined_neighbours import MinedNeighbours, nearest

VIEW = RgbView(num_frames=1, frame_step=1, size=8, min_area=1.0)


def test_the_nearest_of_other_sources():
    angles = np.deg2rad([0, 5, 20, 90, 25])
    projections = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = nearest(projections, np.array([7, 7, 8, 9, 8]), 2)
    # Clips of its own source are not among them.
    np.testing.assert_array_equal(found[:2], [[2, 4], [2, 4]])
    np.testing.assert_array_equal(found[2], [1, 0])
    np.testing.assert_array_equal(found[3], [4, 2])
    # As many as every clip has.
    assert nearest(projections, np.array([7, 7, 7, 7, 8]), 2).shape == (5, 1)
    assert nearest(projections, np.zeros(5), 2).shape == (5, 0)


class Pictures:
    def __init__(self):
        self.shown = {}

    def pictures(self, name, images, step):
        self.shown[name] = images


def brightness(name):
    """A backbone that knows of a clip how red and how green it is."""
    clips = tf.keras.Input((1, 8, 8, 3))
    features = tf.keras.layers.GlobalAveragePooling3D()(clips)
    return tf.keras.Model(clips, features, name=name)


def test_a_clip_is_shown_above_those_that_are_like_it(tmp_path):
    # Red, green, red, green: of four sources.
    colours = [(250, 10, 10), (10, 250, 10), (200, 20, 20), (20, 200, 20)]
    records = [
        record_fixtures.record(
            [record_fixtures.jpeg(np.full((16, 16, 3), colour, np.uint8))] * 2, path=f"{number}.mp4"
        )
        for number, colour in enumerate(colours)
    ]
    folder = str(record_fixtures.write_shards(tmp_path / "records", records))
    backbones = {"narrow": brightness("a"), "second": "narrow", "flow": brightness("b")}
    identity = lambda size, name: tf.keras.Sequential(  # noqa: E731
        [tf.keras.Input((size,)), tf.keras.layers.Dense(size, kernel_initializer="identity")]
    )
    objective = CoCLR(backbones, head=identity, queue_size=4, top=1)
    views = dict.fromkeys(("narrow", "second", "flow"), VIEW)
    settings = types.SimpleNamespace(data_dir=folder, split="train")
    inputs = types.SimpleNamespace(
        settings=settings, recipe=types.SimpleNamespace(views=views), part=lambda held_out: None
    )
    charts = Pictures()
    moment = types.SimpleNamespace(objective=objective, inputs=inputs, charts=charts, step=1)
    MinedNeighbours(clips=4, shown=3).act(moment)
    (images,) = charts.shown.values()
    assert list(charts.shown) == ["mined/narrow"] and len(images) == 3
    for image, (colour, near) in zip(images, zip(colours, colours[2:] + colours[:2])):
        np.testing.assert_allclose(image[4, 4], colour, atol=4)
        assert (image[8:16] == 255).all()
        np.testing.assert_allclose(image[20, 4], near, atol=4)


def test_other_objectives_have_none():
    moment = types.SimpleNamespace(objective=object(), charts=None)
    MinedNeighbours().act(moment)


@pytest.mark.parametrize("options", [{"clips": 1}, {"shown": 0}, {"clips": 2.5}])
def test_refuses_numbers_that_cannot_be(options):
    (name,) = options
    with pytest.raises(UserError, match=f"MinedNeighbours.{name} = "):
        MinedNeighbours(**options)
