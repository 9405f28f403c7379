"""A recipe that trains in a second, and records for it, for tests of runs."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import record_fixtures

FRAMES, SIZE, RATE, SOUND_RATE = 8, 32, 10.0, 8000

RECIPE = """
import brave_tf.data.augment.random_flip
import brave_tf.data.views.audio
import brave_tf.data.views.rgb
import brave_tf.models.audio_light
import brave_tf.models.tsm_light
import brave_tf.objectives.brave
import brave_tf.training.optimizers.sgd

Recipe.views = {'narrow': @narrow/RgbView(), 'broad_audio': @broad_audio/AudioView()}
Recipe.objective = @BraVe
BraVe.backbones = {
    'narrow': @narrow/tsm_light(),
    'broad_audio': @broad_audio/audio_light(),
}
narrow/RgbView.num_frames = 4
narrow/RgbView.frame_step = 1
narrow/RgbView.frame_rate = 10.0
narrow/RgbView.size = 16
narrow/RgbView.augmentations = [@random_flip]
narrow/tsm_light.widths = (8, 16)
narrow/tsm_light.blocks = (1, 1)
broad_audio/audio_light.widths = (8, 16)
broad_audio/audio_light.blocks = (1, 1)
broad_audio/AudioView.duration = 0.6
broad_audio/AudioView.log_mel = @broad_audio/LogMel()
broad_audio/LogMel.sample_rate = 8000
broad_audio/LogMel.mel_bins = 16
broad_audio/LogMel.upper_hz = 3800.0
projector.hidden = 16
projector.output = 8
predictor.hidden = 16
train.optimizer = @sgd
sgd.learning_rate = 0.05
train.batch_size = 4
train.num_steps = 6
train.log_every = 2
train.checkpoint_every = 2
train.held_out_batches = 2
"""
# After it: one network of a few layers, for runs of several processes.
SOUND_ALONE = """
import brave_tf.objectives.supervised

Recipe.views = {'broad_audio': @broad_audio/AudioView()}
Recipe.objective = @Supervised
Supervised.backbones = {'broad_audio': @broad_audio/audio_light()}
Supervised.num_classes = 2
broad_audio/audio_light.widths = (16,)
broad_audio/audio_light.blocks = (1,)
FeatureSnapshots.times = 1
"""


def write_records(
    folder: pathlib.Path, clips: int = 12, labels: Sequence[int] = (0, 1)
) -> pathlib.Path:
    """Writes noise with picture and sound, of these classes in turn, to the splits train and test.

    A label of -1 is none.
    """
    for seed, split in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        records = []
        for index in range(clips):
            pixels = rng.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
            sound = rng.normal(0, 0.1, int(FRAMES / RATE * SOUND_RATE)).astype(np.float32)
            label = labels[index % len(labels)]
            record = record_fixtures.record(
                images=[record_fixtures.jpeg(frame) for frame in pixels],
                audio=sound,
                labels=[label] if label >= 0 else [],
                frame_rate=RATE,
                sample_rate=SOUND_RATE,
            )
            records.append(record)
        settings = {"audio": "float", "fps": RATE, "sample_rate": SOUND_RATE}
        record_fixtures.write_shards(folder, records, 2, split, settings=settings)
    return folder


def write_recipe(folder: pathlib.Path, data_dir: pathlib.Path, extra: str = "") -> pathlib.Path:
    """Writes the recipe as a gin file for records in `data_dir`."""
    path = folder / "tiny.gin"
    path.write_text(f"{RECIPE}\ntrain.data_dir = '{data_dir}'\n{extra}\n")
    return path
