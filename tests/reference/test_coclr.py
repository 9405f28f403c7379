"""CoCLR's own training steps, one after the other, against the values of its released code."""

import drawn_windows
import golden_peers
import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.data.views.rgb import RgbView
from brave_tf.models.norm import BatchNorm
from brave_tf.objectives.coclr import CoCLR, UberNCE
from brave_tf.objectives.info_nce import InfoNCE, two_layers
from brave_tf.training.optimizers.epochs import by_epoch
from brave_tf.training.optimizers.schedules import piecewise

EXCEPTIONS = {
    "schedule/epochs": "the epochs of which there are rates",
    "head/layers": "the layers of the head in words",
}
WEIGHTS = ("w1", "b1", "w2", "b2")


def head_of(inputs):
    """Builds dense, relu, dense with the weights of a case: `q_*`, and `s_*` of the frozen network."""

    def build(size, name):
        prefix = "s" if name == "frozen_head" else "q"
        weights = [inputs[f"{prefix}_{each}"] for each in WEIGHTS]
        layers = [
            tf.keras.Input((size,)),
            tf.keras.layers.Dense(weights[0].shape[1], activation="relu"),
            tf.keras.layers.Dense(weights[2].shape[1]),
        ]
        model = tf.keras.Sequential(layers, name=name)
        model.set_weights(weights)
        return model

    return build


def normalised(table):
    """A table of features, then batch normalisation on each replica by itself, without scale or offset."""
    norm = BatchNorm(epsilon=1e-5, averages="plain", over_replicas=False, scale=False, center=False)
    return tf.keras.Sequential([*table.layers, norm])


class Peer:
    """The objective of a case, on tables of the features of a step.

    The one network of queries and keys has a table of both, `x1` above `x2`. What an optimizer step takes off
    `x1` is its gradient.
    """

    def __init__(self, golden, case, kind, clips, frozen=False, finish=lambda x: x, **options):
        self.golden, self.case = golden, case
        self.inputs, self.constants = golden.case(case)
        self.clips, width = clips, self.inputs["q_w1"].shape[0]
        self.rate = self.constants.get("sgd_lr", 1.0)
        table = golden_peers.feature_table(np.zeros((2 * clips, width), np.float32), "trained")
        backbones = {"narrow": finish(table), "second": "narrow"}
        if frozen:
            backbones["frozen"] = golden_peers.feature_table(
                np.zeros((clips, width), np.float32), "frozen"
            )
        self.objective = kind(
            backbones,
            head=head_of(self.inputs),
            queue_size=len(self.inputs["queue"]),
            momentum=self.constants["m"],
            temperature=self.constants["temperature"],
            **options,
        )
        self.objective.queue.entries.assign(self.inputs["queue"])
        self.objective.compile(tf.keras.optimizers.SGD(self.rate))
        self.compared, contrast = [], self.objective.contrast

        def record(logits, positives):
            self.compared.append((logits, positives, contrast(logits, positives)))
            return self.compared[-1][-1]

        self.objective.contrast = record

    def set(self, x1, x2, x_frozen=None):
        """Sets the features of the next step; returns its batch."""
        networks = self.objective.backbones, self.objective.target.backbones
        for backbones in networks:
            backbones["narrow"].trainable_weights[0].assign(np.concatenate([x1, x2]))
        rows = np.eye(2 * self.clips, dtype=np.float32)
        batch = {
            "narrow": rows[: self.clips],
            "second": rows[self.clips :],
            "label": np.zeros(self.clips, np.int64),
        }
        if x_frozen is not None:
            self.objective.backbones["frozen"].set_weights([x_frozen])
            batch["frozen"] = rows[: self.clips, : self.clips]
        self.x1 = x1
        return batch

    def weights(self, models=None):
        """The weights of the head by name."""
        models = models or self.objective.heads
        return dict(zip(WEIGHTS, (weight.numpy() for weight in models["narrow"].weights)))

    def gradient(self):
        """What the step followed: of `x1`."""
        table = self.objective.backbones["narrow"].trainable_weights[0].numpy()
        return (self.x1 - table[: self.clips]) / self.rate

    def check(self, key, got, tolerance=golden_peers.VALUES):
        self.golden.check(f"{self.case}/{key}", got, tolerance)

    def check_queue(self, key):
        self.check(f"{key}queue", self.objective.queue.entries)
        self.check(f"{key}pointer", self.objective.queue.pointer)


@pytest.fixture(scope="module")
def golden(shared_dir):
    return golden_peers.Golden(shared_dir, "coclr")


def accuracies(logs):
    return [logs["accuracy/contrast"], logs["accuracy/contrast_top5"]]


def check_info_nce(golden):
    inputs, _ = golden.case("infonce")
    steps, clips = inputs["x1"].shape[:2]
    peer = Peer(golden, "infonce", InfoNCE, clips)
    for step in range(steps):
        key, before = f"step{step}/", peer.weights()
        batch = peer.set(inputs["x1"][step], inputs["x2"][step])
        peer.objective.reset_metrics()
        logs, _ = peer.objective.train_step(batch)
        peer.check(f"{key}logits", peer.compared[-1][0])
        peer.check(f"{key}loss", logs["loss"])
        peer.check(f"{key}top1_top5", accuracies(logs))
        peer.check(f"{key}grad_x1", peer.gradient(), golden_peers.GRADIENTS)
        after = peer.weights()
        for name in ("w1", "b2"):
            gradient = (before[name] - after[name]) / peer.rate
            peer.check(f"{key}grad_{name}", gradient, golden_peers.GRADIENTS)
        for name, used in peer.weights(peer.objective.target.heads).items():
            peer.check(f"{key}key_{name}", used)
            peer.check(f"{key}query_after_{name}", after[name])
        peer.check_queue(key)


def check_uber_nce(golden):
    inputs, _ = golden.case("ubernce")
    peer = Peer(golden, "ubernce", UberNCE, len(inputs["x1"]))
    peer.objective.queue.ids["label"].assign(inputs["queue_label"])
    batch = {**peer.set(inputs["x1"], inputs["x2"]), "label": inputs["label"]}
    logs, _ = peer.objective.train_step(batch)
    logits, positives, _ = peer.compared[-1]
    peer.check("logits", logits)
    peer.check("mask", positives)
    peer.check("loss", logs["loss"])
    peer.check("grad_x1", peer.gradient(), golden_peers.GRADIENTS)
    peer.check("queue_label", peer.objective.queue.ids["label"])


class Mining(Peer):
    """CoCLR on one of the two cases: RGB trained by flow, or the reverse."""

    def __init__(self, golden, case):
        inputs, constants = golden.case(case)
        self.steps, clips = inputs["rgb1"].shape[:2]
        options = {"top": constants["topk"], "drop_own": 1.0}
        super().__init__(golden, case, CoCLR, clips, frozen=True, **options)
        self.objective.second_queue.entries.assign(self.inputs["queue_second"])
        streams = ("flow", "rgb") if constants["reverse"] else ("rgb", "flow")
        self.trained, self.other = streams
        self.terms, self.objective.terms = self.objective.terms, self.both

    def both(self, batch, training):
        """The terms with own keys, and those without, which are followed; all are compared."""
        table, found = self.objective.backbones["narrow"].trainable_weights[0], None
        for name, drop in (("with_self", 0.0), ("without_self", 1.0)):
            self.objective.drop_own = drop
            with tf.GradientTape() as tape:
                found = self.terms(batch, training)
                loss = tf.reduce_mean(found.losses["contrast"])
            gradient = tape.gradient(loss, table)[: self.clips]
            self.check(f"{self.now}loss_{name}", loss)
            self.check(f"{self.now}grad_query_{name}", gradient, golden_peers.GRADIENTS)
            mask = "mask" if name == "with_self" else "mask_without_self"
            self.check(f"{self.now}{mask}", self.compared[-1][1])
            self.check(f"{self.now}logits", self.compared[-1][0])
            means = {each: np.mean(values) for each, values in found.monitors.items()}
            self.check(f"{self.now}accuracy_top1_top5", accuracies(means))
        return found

    def take(self, step):
        """Takes a step and compares all that the file has of it."""
        objective, self.now = self.objective, f"step{step}/"
        full = bool(objective.queue.full.numpy())
        self.check(f"{self.now}queue_is_full", full)
        pair = [self.inputs[f"{self.trained}{i}"][step] for i in (1, 2)]
        batch = self.set(*pair, self.inputs[f"{self.other}2"][step])
        batch["group"] = self.inputs["source"][step]
        objective.reset_metrics()
        logs, _ = objective.train_step(batch, counts=full)
        if full:
            self.check(f"{self.now}loss_without_self", logs["loss"])
            gradient = self.gradient()
            self.check(f"{self.now}grad_query_without_self", gradient, golden_peers.GRADIENTS)
        self.check_queue(self.now)
        self.check(f"{self.now}queue_second", objective.second_queue.entries)
        np.testing.assert_array_equal(objective.second_queue.pointer, objective.queue.pointer)
        self.check(f"{self.now}queue_source", objective.queue.ids["group"])
        self.check(f"{self.now}key_w1", self.weights(objective.target.heads)["w1"])
        self.check(f"{self.now}query_after_w1", self.weights()["w1"])


def check_mining(golden):
    for case in ("coclr", "coclr_reverse"):
        peer = Mining(golden, case)
        for step in range(peer.steps):
            peer.take(step)


def shuffling(golden):
    """The objective of the two processes, and the batch of both."""
    inputs, _ = golden.case("shuffle_two_replicas")
    processes, clips = inputs["x1"].shape[:2]
    peer = Peer(
        golden,
        "shuffle_two_replicas",
        InfoNCE,
        processes * clips,
        finish=normalised,
        clips_per_process=clips,
    )
    (order,) = inputs["permutation"]
    peer.objective.draws.permutation = lambda index, count: tf.constant(order, tf.int32)
    width = inputs["x1"].shape[-1]
    batch = peer.set(*(inputs[name].reshape(-1, width) for name in ("x1", "x2")))
    return peer, batch, processes


def check_processes_on_one_device(golden):
    """Each process's figures are means over its clips; its gradients are of its own mean."""
    peer, batch, processes = shuffling(golden)
    peer.objective.train_step(batch)
    logits, _, losses = peer.compared[-1]
    for process in range(processes):
        key, own = f"replica{process}/", np.split(np.arange(peer.clips), processes)[process]
        peer.check(f"{key}logits", logits.numpy()[own])
        peer.check(f"{key}loss", np.mean(losses.numpy()[own]))
        gradient = processes * peer.gradient()[own]
        peer.check(f"{key}grad_x1", gradient, golden_peers.GRADIENTS)
        peer.check_queue(key)
    # As with several devices, the averages that are kept are those of the first.
    for name, models in (
        ("query", peer.objective.backbones),
        ("key", peer.objective.target.backbones),
    ):
        mean = models["narrow"].layers[-1].moving_mean
        peer.check(f"replica0/{name}_running_mean", mean)


def check_averages_of_each_replica(golden):
    """The averages of the processes that only a replica of its own has."""
    strategy = two_replicas()
    with strategy.scope():
        peer, batch, processes = shuffling(golden)
    assert processes == strategy.num_replicas_in_sync
    data = tf.data.Dataset.from_tensor_slices(batch).batch(peer.clips // 2, drop_remainder=True)
    peer.objective.fit(
        strategy.distribute_datasets_from_function(lambda _: data), steps_per_epoch=1, verbose=0
    )
    for name, models in (
        ("query", peer.objective.backbones),
        ("key", peer.objective.target.backbones),
    ):
        mean = models["narrow"].layers[-1].moving_mean
        for process, each in enumerate(strategy.experimental_local_results(mean)):
            peer.check(f"replica{process}/{name}_running_mean", each)
    peer.check_queue("replica0/")
    gradient = processes * peer.gradient()
    for process, own in enumerate(np.split(gradient, processes)):
        peer.check(f"replica{process}/grad_x1", own, golden_peers.GRADIENTS)


def frames_of(length, start):
    """The frames of the window of a clip that starts at a frame, as the peer's data sets would take them."""
    view = RgbView(num_frames=32, frame_step=1, last_start=False, hold_first=True)
    clip = drawn_windows.clip(length)
    return view, clip, view.frame_indices(clip, tf.constant(start / 25, tf.float64)).numpy()


def check_windows(golden):
    """Starts of test windows are the peer's, every 15 frames: here each clip has as many as another."""
    for key in (key for key in golden.arrays.files if key.startswith("windows/")):
        length = int(key.rpartition("/")[2])
        starts = np.arange(0, max(length - 32, 0) + 1, 15)
        golden.check(key, [frames_of(length, start)[-1] for start in starts])
    for key in (key for key in golden.arrays.files if key.startswith("train_last_frame/")):
        view, clip, _ = frames_of(int(key.rpartition("/")[2]), 0)
        last = set()
        for seed in range(300):
            start = view.random_start(clip, (seed, 0), loop=True)
            last.add(int(view.frame_indices(clip, start)[-1]))
        golden.check(key, sorted(last))


def check_rates(golden):
    milestones = {"lr_infonce_250_280": [250, 280], "lr_coclr_80": [80]}
    for name, epochs in milestones.items():
        rates = piecewise([1e-3 * 0.1**i for i in range(len(epochs) + 1)], epochs)
        schedule = by_epoch(rates, whole=True, clips=20, batch_size=10)
        # Its last step is of an epoch as its first one is.
        for step in (0, 1):
            found = [schedule(2 * int(e) + step) for e in golden.arrays["schedule/epochs"]]
            golden.check(f"schedule/{name}_f64", found)


def test_every_key(golden):
    check_windows(golden)
    check_info_nce(golden)
    check_uber_nce(golden)
    check_mining(golden)
    check_processes_on_one_device(golden)
    check_averages_of_each_replica(golden)
    golden.check("head/parameters_1024_to_128", two_layers(1024, name="head").count_params())
    check_rates(golden)
    golden.check_all_used(exceptions=EXCEPTIONS)
