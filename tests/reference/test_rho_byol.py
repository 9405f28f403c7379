"""rho-BYOL's own training steps, one after the other, against the values of its released code."""

import golden_peers
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.models.norm import BatchNorm
from brave_tf.objectives.momentum_schedules import cosine_momentum
from brave_tf.objectives.rho_byol import RhoBYOL

# Those of the parts that other tests are of: LARS, windows of a record, learning rates and heads.
ELSEWHERE = ("lars/", "clips/", "schedule/lr", "schedule/linear", "head/")
HEADS = ("projector", "predictor")
WEIGHTS = {"w1": 0, "scale": 1, "offset": 2, "w2": 3, "b2": 4}
MOMENTUM = 0.9


def head(inputs):
    """Builds dense without bias, batch normalisation, relu, dense, with the weights of a case."""

    def build(size, name):
        hidden, output = inputs[f"{name}_w2"].shape
        layers = [
            tf.keras.Input((size,)),
            tf.keras.layers.Dense(hidden, use_bias=False),
            BatchNorm(momentum=MOMENTUM, epsilon=1e-5),
            tf.keras.layers.ReLU(),
            tf.keras.layers.Dense(output),
        ]
        model = tf.keras.Sequential(layers, name=name)
        for weight, index in WEIGHTS.items():
            model.trainable_weights[index].assign(inputs[f"{name}_{weight}"])
        return model

    return build


def statistics(model, rows, calls):
    """The peer's statistics, which begin at 0 and 1 and are of the unbiased variance, from Haiku's."""
    (norm,) = (layer for layer in model.layers if isinstance(layer, BatchNorm))
    assert int(norm.averaging.updates.numpy()) == calls
    variance = norm.averaging.hidden_variance.numpy() * rows / (rows - 1) + MOMENTUM**calls
    return {"moving_mean": norm.averaging.hidden_mean.numpy(), "moving_variance": variance}


class Peer:
    """The objective of a case, on a table of the features of all clips of a step."""

    def __init__(self, golden, case):
        self.golden, self.case = golden, case
        self.inputs, self.constants = golden.case(case)
        self.rho, self.rate = self.constants["clips"], self.constants["sgd_lr"]
        self.steps = len(self.inputs["clip0"])
        self.clips, width = self.inputs["clip0"].shape[2:]
        self.views = ["narrow", *(f"view{i}" for i in range(1, self.rho))]
        epochs = tf.constant(self.constants["epochs"], tf.float64)
        schedule = cosine_momentum(self.constants["momentum"], total=self.constants["max_epoch"])
        table = np.zeros((self.rho * self.clips, width), np.float32)
        backbone = golden_peers.feature_table(table, "backbone")
        self.objective = RhoBYOL(
            {view: backbone if view == "narrow" else "narrow" for view in self.views},
            projector=head(self.inputs),
            predictor=head(self.inputs),
            momentum=lambda step: schedule(tf.gather(epochs, step)),
            temperature=self.constants["temperature"],
            together=case.endswith("together"),
        )
        self.objective.compile(tf.keras.optimizers.SGD(self.rate))
        self.found, terms = [], self.objective.terms

        def record(batch, training):
            self.found.append(terms(batch, training))
            return self.found[-1]

        self.objective.terms = record

    def take(self, step):
        """Takes a step and compares all that the file has of it."""
        objective, key = self.objective, f"{self.case}/step{step}"
        features = [self.inputs[f"clip{i}"][step, 0] for i in range(self.rho)]
        table = np.concatenate(features)
        for backbone in (objective.backbones["narrow"], objective.target.backbones["narrow"]):
            backbone.set_weights([table])
        before = {name: self.weights(getattr(objective, name)) for name in HEADS}
        rows = np.eye(len(table), dtype=np.float32).reshape(self.rho, self.clips, -1)
        batch = {**dict(zip(self.views, rows)), "label": np.zeros(self.clips, np.int64)}
        objective.reset_metrics()
        logs, _ = objective.train_step(batch)
        self.golden.check(f"{key}/reported_loss", logs["loss"])
        pairs = [np.mean(loss) for loss in self.found[-1].losses.values()]
        self.golden.check(f"{key}/pair_losses", pairs)
        self.check_gradients(key, table, before)
        self.check_networks(key, step)
        momenta = objective.target.momentum(step).numpy()
        self.golden.check(f"{key}/momentum_used_f64", [momenta], 1e-12)
        lag = 0 if self.case.endswith("together") else 1
        after = objective.target.momentum(step + lag).numpy()
        self.golden.check(f"{key}/momentum_after_f64", after, 1e-12)

    def check_gradients(self, key, table, before):
        changed = table - self.objective.backbones["narrow"].get_weights()[0]
        changed = changed.reshape(self.rho, self.clips, -1) / self.rate
        self.golden.check(f"{key}/grad_clips", changed, golden_peers.GRADIENTS)
        for name in HEADS:
            after = self.weights(getattr(self.objective, name))
            for weight in ("w1", "w2"):
                gradient = (before[name][weight] - after[weight]) / self.rate
                self.golden.check(f"{key}/grad_{name}_{weight}", gradient, golden_peers.GRADIENTS)

    def check_networks(self, key, step):
        objective, together = self.objective, self.case.endswith("together")
        calls = (step + 1) * (1 if together else self.rho)
        rows = self.clips * (self.rho if together else 1)
        for name in HEADS:
            target, online = objective.target.heads[name], getattr(objective, name)
            state = {**self.weights(target), **statistics(target, rows, calls)}
            for each, value in state.items():
                self.golden.check(f"{key}/target_{name}_{each}", value)
            state = {
                **self.weights(online),
                **statistics(online, self.clips, (step + 1) * self.rho),
            }
            for each, value in state.items():
                self.golden.check(f"{key}/online_after_{name}_{each}", value)

    @staticmethod
    def weights(model):
        return {name: model.trainable_weights[index].numpy() for name, index in WEIGHTS.items()}


@pytest.fixture(scope="module")
def golden(shared_dir):
    return golden_peers.Golden(shared_dir, "rho_byol")


def test_every_key(golden):
    for case in ("rho2", "rho4", "rho2_together"):
        peer = Peer(golden, case)
        for step in range(peer.steps):
            peer.take(step)
    _, constants = golden.case("rho2")
    schedule = cosine_momentum(constants["momentum"], total=constants["max_epoch"])
    epochs = golden.arrays["schedule/epochs"]
    golden.used.add("schedule/epochs")
    golden.check("schedule/momentum_f64", [schedule(epoch).numpy() for epoch in epochs])
    golden.check_all_used(*ELSEWHERE)
