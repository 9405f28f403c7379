"""A small objective with every kind of state, for tests of how steps, replicas and checkpoints treat it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from brave_tf.models.norm import batch_norm
from brave_tf.objectives import base
from brave_tf.objectives.constants import Constant
from brave_tf.objectives.memory_bank import MemoryBank
from brave_tf.objectives.momentum_copy import MomentumCopy
from brave_tf.objectives.queue import Queue
from brave_tf.objectives.replicas import gather_over_replicas, same_process

CLIPS, INPUTS, WIDTH, ROWS, QUEUE = 8, 6, 5, 40, 16


def backbone() -> tf.keras.Model:
    """Linear, batch normalisation over all replicas, relu, linear."""
    x = tf.keras.Input((INPUTS,))
    y = tf.keras.layers.Dense(7, name="hidden")(x)
    y = tf.keras.layers.ReLU(name="relu")(batch_norm()(y))
    return tf.keras.Model(x, tf.keras.layers.Dense(WIDTH, name="features")(y))


class Remembering(base.Objective):
    """Compares features with keys of a momentum copy, in the batch, in a queue and in a bank.

    Args:
      waits: whether steps only fill the queue until it is full.
      device: of the bank.
      clips_per_process: of the partition that keys of other processes are of.
    """

    term_names = ("queue", "bank", "others")
    accumulates = False

    def __init__(self, waits=False, device=None, clips_per_process=CLIPS // 4):
        super().__init__({"narrow": backbone()})
        self.waits, self.clips_per_process = waits, clips_per_process
        self.target = MomentumCopy(self.backbones, momentum=0.9)
        self.queue = Queue(QUEUE, WIDTH, ids=("clip_id",))
        self.bank = MemoryBank(ROWS, WIDTH, device=device)
        self.scale = Constant("scale")

    @property
    def term_weights(self):
        return {"queue": 0.5, "bank": 1.0, "others": 2.0}

    def networks(self):
        return {**super().networks(), base.TARGET: self.target.backbones}

    def filling(self):
        return self.waits and not self.queue.full.numpy()

    def begin_step(self, step):
        self.target.begin()
        self.target.update(step)

    def terms(self, batch, training):
        features = self(batch, training=training)
        query = tf.math.l2_normalize(features["narrow"], axis=-1)
        key = tf.stop_gradient(self.target.backbones["narrow"](batch["narrow"], training=training))
        key = tf.math.l2_normalize(key, axis=-1)
        ids = batch["clip_id"]
        in_queue = tf.reduce_logsumexp(tf.matmul(query, self.queue.entries, transpose_b=True), -1)
        in_bank = tf.reduce_sum(query * self.bank.read(tf.maximum(ids, 0)), axis=-1)
        keys = gather_over_replicas(key)
        inside = same_process(query.shape[0], self.clips_per_process)
        outside = tf.where(inside, 0.0, tf.matmul(query, keys, transpose_b=True))
        scale = self.scale.or_first(tf.reduce_mean(in_queue))
        losses = {
            "queue": in_queue / scale,
            "bank": 1 - in_bank,
            "others": tf.reduce_sum(outside, axis=-1) / 10,
        }
        writes = [
            lambda: self.scale.settle(scale),
            lambda: self.queue.push(key, {"clip_id": ids}),
            lambda: self.bank.update(ids, query),
        ]
        return base.Terms(losses, features, {}, writes=writes)


def batches(steps: int, clips: int = CLIPS) -> list[dict[str, np.ndarray]]:
    """Global batches, with ids of which some come twice in a batch and some are -1."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(steps):
        ids = rng.integers(0, ROWS, clips)
        ids[1], ids[-1], ids[3] = ids[-2], ids[-2], -1
        x = rng.normal(size=(clips, INPUTS)).astype(np.float32)
        made.append({"narrow": x, "label": np.zeros(clips, np.int64), "clip_id": ids})
    return made


def make(strategy: tf.distribute.Strategy | None = None, **options) -> Remembering:
    """The compiled objective, the same each time."""
    strategy = strategy or tf.distribute.get_strategy()
    tf.keras.utils.set_random_seed(1)
    with strategy.scope():
        objective = Remembering(**options)
        objective.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9))
    return objective


def train(objective: Remembering, data: list[dict[str, np.ndarray]], steps: int) -> np.ndarray:
    """Takes steps on the global batches, of which each process and replica has its part; returns losses."""
    strategy = objective.distribute_strategy

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        size = len(data[0]["label"]) // context.num_replicas_in_sync
        own = size * context.num_replicas_in_sync // context.num_input_pipelines
        begin = context.input_pipeline_id * own
        arrays = {
            name: np.concatenate([each[name][begin : begin + own] for each in data])
            for name in data[0]
        }
        return tf.data.Dataset.from_tensor_slices(arrays).batch(size, drop_remainder=True)

    batched = strategy.distribute_datasets_from_function(share)
    return np.array(
        objective.fit(batched, steps_per_epoch=1, epochs=steps, verbose=0).history["loss"]
    )


def state(objective: Remembering) -> dict[str, np.ndarray]:
    """Every variable of the objective and its optimizer by number and name."""
    variables = [*objective.weights, *objective.optimizer.variables()]
    found = {f"{i} {v.name}": v.numpy() for i, v in enumerate(variables)}
    for name, models in objective.networks().items():
        for layer in models["narrow"].layers:
            for each in ("hidden_mean", "hidden_variance", "updates"):
                if hasattr(layer, "averaging"):
                    found[f"{name} {each}"] = getattr(layer.averaging, each).numpy()
    return found
