"""The benchmark of backbones."""

import argparse

import pytest
import tensorflow as tf

from bench import backbones
from brave_tf.errors import UserError


def arguments(*flags):
    parser = argparse.ArgumentParser()
    backbones.add_arguments(parser)
    return parser.parse_args([*flags, "--repeats=1", "--matrix=64", "--batch_size=1"])


def test_costs_are_those_of_the_convolutions(monkeypatch):
    def one_convolution():
        clips = tf.keras.Input((4, 8, 8, 3))
        layer = tf.keras.layers.Conv3D(5, (1, 3, 3), padding="same")
        return tf.keras.Model(clips, layer(clips))

    monkeypatch.setitem(backbones._BACKBONES, "one", (one_convolution, (4, 8, 8, 3)))
    rows = backbones.run(arguments("--backbones=one"))["rows"]
    assert [row["precision"] for row in rows] == ["float32", "bfloat16"]
    for row in rows:
        assert row["gmadds_per_clip"] == pytest.approx(4 * 8 * 8 * 5 * 3 * 3 * 3 / 1e9)
        rate = row["gmadds_per_clip"] / row["step_s"] * 3
        assert row["step_share"] == pytest.approx(rate / row["limit_gmadds_per_s"], rel=1e-6)


def test_an_unknown_backbone_is_an_error_that_names_the_nearest():
    with pytest.raises(UserError, match="s3d_g"):
        backbones.run(arguments("--backbones=s3dg"))
