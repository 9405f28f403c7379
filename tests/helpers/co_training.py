"""CoCLR on very small networks with shuffled batch normalisation, for tests of its steps."""

from __future__ import annotations

import numpy as np
import remembering
import tensorflow as tf
from remembering import train as train
from toy_models import dense_backbone

from brave_tf.models.norm import batch_norm
from brave_tf.objectives.coclr import CoCLR
from brave_tf.objectives.info_nce import InfoNCE

CLIPS, INPUTS, FEATURES, WIDTH, QUEUE, GROUPS = 8, 6, 7, 5, 16, 6
TEMPERATURE, TOP = 0.2, 3


def backbone(norm: bool) -> tf.keras.Model:
    """Linear, batch normalisation on each replica by itself if there is any, relu."""
    x = tf.keras.Input((INPUTS,))
    y = tf.keras.layers.Dense(FEATURES)(x)
    if norm:
        y = batch_norm(over_replicas=False)(y)
    return tf.keras.Model(x, tf.keras.layers.ReLU()(y))


def head(size: int, name: str) -> tf.keras.Model:
    """One linear layer."""
    return dense_backbone(size, WIDTH)


def batches(steps: int) -> list[dict[str, np.ndarray]]:
    """Global batches of two views of one modality and one of another."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(steps):
        clips = rng.normal(size=(3, CLIPS, INPUTS)).astype(np.float32)
        batch = dict(zip(("narrow", "second", "flow"), clips))
        batch["group"] = rng.integers(0, GROUPS, CLIPS)
        made.append({**batch, "label": rng.integers(-1, 3, CLIPS)})
    return made


def make(
    strategy: tf.distribute.Strategy | None = None,
    norm: bool = True,
    jit: bool = False,
    kind: type = CoCLR,
    **options,
) -> InfoNCE:
    """The compiled objective, the same each time; processes have two clips where there is a `norm`."""
    strategy = strategy or tf.distribute.get_strategy()
    tf.keras.utils.set_random_seed(1)
    with strategy.scope():
        backbones = {"narrow": backbone(norm), "second": "narrow"}
        if kind is CoCLR:
            backbones["flow"] = backbone(norm)
            options = {"top": TOP, "drop_own": 0.5, **options}
        options = {"clips_per_process": 2 if norm else None, **options}
        settings = {"queue_size": QUEUE, "momentum": 0.9, "temperature": TEMPERATURE}
        objective = kind(backbones, head=head, **settings, **options)
        if kind is CoCLR:
            objective.backbones["flow"].set_weights(backbone(norm).get_weights())
            objective.heads["flow"].set_weights(head(FEATURES, "head").get_weights())
        objective.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=jit)
    return objective


def state(objective: InfoNCE) -> dict[str, np.ndarray]:
    """Every variable of the objective and its optimizer by number, since Keras counts on in names."""
    found = remembering.state(objective)
    return {name.split()[0] if name[0].isdigit() else name: found[name] for name in found}
