"""Small models of the released kind, and checkpoints of them in the released format."""

from __future__ import annotations

import functools
import pathlib

import gin
import numpy as np

from brave_tf import config
from brave_tf.interop.deepmind import haiku_file
from brave_tf.interop.deepmind.weights import parts, to_haiku
from brave_tf.objectives.brave import BraVe
from brave_tf.training import checkpoints, recipe

STEP = 2
CONFIG = {
    "num_frames_narrow": 4,
    "step_narrow": 1,
    "image_size_narrow": 16,
    "num_frames_broad": 2,
    "step_broad": 4,
    "image_size_broad": 112,
    "input_video_sample_rate": 10.0,
    "input_audio_sample_rate": 16000,
    "num_spectrogram_bins": 16,
    "fft_step": 160,
    "include_video_in_broad_view": False,
    "include_audio_in_broad_view": True,
    "output_dims": 6,
    "tsm_resnet_width_multiplier": 0.125,
    "dataset_shards": [],
}
RECIPE = """
include 'fragments/brave.gin'
import brave_tf.data.views.audio
import brave_tf.data.views.rgb
import brave_tf.models.audio_resnet
import brave_tf.models.tsm_resnet

Recipe.views = {'narrow': @narrow/RgbView(), 'broad_audio': @broad_audio/AudioView()}
BraVe.backbones = {'narrow': @narrow/tsm_resnet(), 'broad_audio': @broad_audio/audio_resnet()}
BraVe.heads = 'shared'
narrow/RgbView.num_frames = 4
narrow/RgbView.frame_step = 1
narrow/RgbView.frame_rate = 10.0
narrow/RgbView.size = 16
narrow/tsm_resnet.depth = 18
narrow/tsm_resnet.width_multiplier = 0.125
broad_audio/audio_resnet.depth = 18
broad_audio/audio_resnet.width_multiplier = 0.125
broad_audio/AudioView.duration = 0.8
broad_audio/AudioView.log_mel = @broad_audio/LogMel()
broad_audio/LogMel.sample_rate = 16000
broad_audio/LogMel.mel_bins = 16
projector.hidden = 8
projector.output = 6
predictor.hidden = 8
train.data_dir = 'records'
"""


def make_objective(*bindings: str) -> BraVe:
    """The objective of `RECIPE`, with averages that two steps have left."""
    config.load_config([], [RECIPE, *bindings])
    objective = recipe.Recipe().build(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(STEP):
        batch = {
            "narrow": rng.random((4, 4, 16, 16, 3), np.float32),
            "broad_audio": rng.random((4, 20, 16), np.float32),
        }
        objective.terms(batch, training=True)
    return objective


def write_run(folder: pathlib.Path, *bindings: str) -> pathlib.Path:
    """Writes a run of `RECIPE` with a checkpoint; returns its folder."""
    objective = make_objective(*bindings)
    folder.mkdir(parents=True)
    (folder / recipe.CONFIG_FILE).write_text(gin.config_str())
    checkpoints.save_weights(objective, str(folder), STEP)
    return folder


@functools.lru_cache
def make_checkpoint(*bindings: str) -> haiku_file.Checkpoint:
    """The checkpoint of `make_objective` in the released format."""
    params, state = to_haiku(parts(make_objective(*bindings)))
    return haiku_file.Checkpoint(params, state, CONFIG)


def flat(checkpoint: haiku_file.Checkpoint) -> dict[str, np.ndarray]:
    """Collection/module/name -> array."""
    collections = {"params": checkpoint.params, "state": checkpoint.state}
    return {
        f"{collection}:{module}/{name}": array
        for collection, modules in collections.items()
        for module, arrays in modules.items()
        for name, array in arrays.items()
    }


def assert_equal(got: haiku_file.Checkpoint, expected: haiku_file.Checkpoint) -> None:
    """Compares all arrays bit for bit, with shapes and types."""
    got, expected = flat(got), flat(expected)
    assert got.keys() == expected.keys()
    for path, array in expected.items():
        assert got[path].dtype == array.dtype, path
        assert got[path].shape == array.shape, path
        assert got[path].tobytes() == array.tobytes(), path
