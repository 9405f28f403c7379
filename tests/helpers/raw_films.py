"""Films that were not prepared, views of them, and the clips that are read from them."""

from __future__ import annotations

import media
import numpy as np
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView

MEL = LogMel(sample_rate=8000, frame_length=160, frame_step=80, mel_bins=20, upper_hz=3800.0)
SOUND = AudioView(duration=0.4, log_mel=MEL)
VIEW = RgbView(num_frames=4, frame_step=2, size=32, augmentations=())
VIEWS = {"narrow": VIEW, "broad_audio": SOUND}
RGB = {"narrow": VIEW}
FILMS = {
    "jump/a.mp4": {},
    "jump/b.avi": {"fps": 10},
    "run/c.webm": {"codec": "libvpx-vp9", "fps": 30000 / 1001},
    "run/d.mkv": {"fps": 30000 / 1001},
    "run/turned.mp4": {},
    "walk/uneven.mp4": {"times": [i / 25 + 0.01 * (i % 3) for i in range(30)]},
}


def texture(seed, number=30):
    """Pictures in which JPEG changes little: smooth, and of hardly any colour."""
    frames = media.moving_texture(number, 48, 64, seed=seed)
    return [np.repeat(frame[..., :1], 3, axis=2) // 2 + frame // 16 for frame in frames]


def write_films(root):
    """Writes six films with sound, of three classes."""
    for number, (name, options) in enumerate(FILMS.items()):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        sound = media.tone(1.2, 300 + 100 * number)
        media.write_video(path, texture(number), **{"fps": 25, "audio": sound, **options})
    media.set_display_matrix(root / "run/turned.mp4", [[0, 1], [-1, 0]])
    return root


def clips(source, views=VIEWS, split="train", seed=None):
    """All clips by path."""
    stream = source.stream(split, views)
    parse = tf.function(lambda item: stream.parse(item, seed))
    found = [parse(item) for item, _ in stream.once(0)]
    return {clip.path.numpy().decode(): clip for clip in found}
