"""Training on films that were not prepared."""

import dataclasses

import media
import numpy as np
from raw_films import MEL

from brave_tf.data.augment.random_convolution import random_convolution
from brave_tf.data.augment.spec_augment import spec_augment
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.rgb import RgbView


def test_the_augmentations_of_recipes_work_on_films(tmp_path):
    for number in range(2):
        pictures = media.moving_texture(30, seed=number)
        media.write_video(tmp_path / f"{number}.mp4", pictures, audio=media.tone(1.2))
    narrow = RgbView(num_frames=4, frame_step=2, size=32)
    convolved = (*narrow.augmentations, random_convolution)
    views = {
        "narrow": narrow,
        "broad_video": dataclasses.replace(narrow, num_frames=16, augmentations=convolved),
        "broad_audio": AudioView(duration=0.4, log_mel=MEL, augmentations=(spec_augment,)),
    }
    first, again = (
        next(iter(clip_dataset(tmp_path, "train", views, 2, training=True, seed=seed)))
        for seed in (1, 2)
    )
    for name, view in views.items():
        assert first[name].shape == (2, *view.shape)
        assert np.isfinite(first[name]).all() and np.ptp(first[name]) > 0
        assert np.abs(first[name] - again[name]).max() > 0
