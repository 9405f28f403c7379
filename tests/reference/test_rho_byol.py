"""rho-BYOL's own training steps, one after the other, and its recipe's parts, against its released code."""

import drawn_windows
import gin
import golden_peers
import numpy as np
import pytest
import tensorflow as tf

from brave_tf import config
from brave_tf.data.views.in_order import InOrder
from brave_tf.data.views.windows import draw_windows
from brave_tf.models.norm import BatchNorm
from brave_tf.objectives.momentum_schedules import cosine_momentum
from brave_tf.objectives.rho_byol import RhoBYOL
from brave_tf.training.optimizers.lars import lars
from brave_tf.training.optimizers.schedules import piecewise
from brave_tf.training.optimizers.warmup import whole_cosine
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

RECIPE = "k400_rho_byol_r3d50"
EXCEPTIONS = {
    "clips/test_starts_10": "test windows are those of all methods, from the first to the last that fits",
}
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


def check_lars(golden):
    inputs, constants = golden.case("lars")
    rates = constants["lr"]
    changes = [i for i in range(1, len(rates)) if rates[i] != rates[i - 1]]
    schedule = piecewise([rates[0], *(rates[i] for i in changes)], changes)
    names = ("momentum", "trust_coefficient", "weight_decay")
    options = {name: constants[name] for name in names}
    optimizer = lars(schedule, nesterov=False, compat="slowfast", **options)
    names = {"w": "net/kernel", "b": "net/bias", "bn": "norm/gamma"}
    variables = {key: tf.Variable(inputs[key], name=name) for key, name in names.items()}
    for step in range(len(rates)):
        gradients = [tf.constant(inputs[f"grads_{key}"][step]) for key in names]
        optimizer.apply_gradients(zip(gradients, variables.values()))
        for key, variable in variables.items():
            golden.check(f"lars/step{step}/{key}", variable)


def check_clips(golden, monkeypatch):
    """The rule of the recipe, given the peer's draws."""
    inputs, constants = golden.case("clips")
    config.load_config([RECIPE])
    view, rate = bound(Recipe).views["narrow"], constants["target_fps"]
    assert view.frame_rate == rate and view.num_frames == constants["num_frames"]
    clip = drawn_windows.clip(constants["video_frames"], frame_rate=constants["fps"])
    spanned = constants["num_frames"] * constants["sampling_rate"] - 1
    for key in golden.keys("clips/rho"):
        count, index = map(int, key.removeprefix("clips/rho").split("/"))
        shares = tf.constant(inputs["u"][index][:count], tf.float64)
        views = drawn_windows.views(*map(str, range(count)), view=view)
        windows = draw_windows(clip, views, tf.constant([1, 2]))
        with monkeypatch.context() as patch:
            patch.setattr(tf.random, "stateless_uniform", lambda *_, own=shares, **__: own)
            drawn = InOrder(list(views)).draw(clip, windows, tf.constant([1, 2]))
        starts = np.array([window.start.numpy() * rate for window in drawn.values()])
        gaps = [0.0, *(starts[1:] - starts[:-1] - spanned)]
        golden.check(key, np.stack([starts, starts + spanned, gaps], axis=1))
    for key in golden.keys("clips/frames_of_start_"):
        start = float(key.removeprefix("clips/frames_of_start_").replace("_", "."))
        frames = view.frame_indices(clip, tf.constant(start / rate, tf.float64))
        golden.check_exactly(key, frames)


def check_schedules(golden):
    _, constants = golden.case("rho2")
    schedule = cosine_momentum(constants["momentum"], total=constants["max_epoch"])
    epochs = golden.read("schedule/epochs")
    golden.check("schedule/momentum_f64", [schedule(epoch).numpy() for epoch in epochs])
    config.load_config([RECIPE])
    # The recipe's, by steps of which each epoch has equally many.
    length = bound(Settings).num_steps / constants["max_epoch"]
    shards = gin.query_parameter("rate_by_shard.shards")
    for rho, peak in {"2": 0.6, "4": gin.query_parameter("whole_cosine.peak")}.items():
        gin.bind_parameter("whole_cosine.peak", peak)
        rate = gin.get_configurable("rate_by_shard")()
        found = np.array([float(rate(tf.constant(epoch * length))) for epoch in epochs]) / shards
        golden.check(f"schedule/lr_rho{rho}_one_shard_f64", found)
    config.load_config([RECIPE, "gin/evaluation/rho_byol_linear.gin"])
    bindings = ("learning_rate", "warmup_epochs", "epochs")
    settings = [gin.query_parameter(f"linear_layer_training.{name}") for name in bindings]
    with gin.config_scope("linear"):
        rate = whole_cosine(*settings)
    found = [float(rate(epoch)) for epoch in golden.read("schedule/linear_epochs")]
    golden.check("schedule/lr_linear_f64", found)


def check_heads(golden):
    config.load_config([RECIPE])
    words, size = ["global average pool"], 2048
    for name in HEADS:
        model = gin.get_configurable(f"{name}/mlp_head")(size)
        weights = sum(v.shape.num_elements() for v in model.trainable_weights)
        golden.check_exactly(f"head/{name}_parameters", weights)
        for layer in model.layers[1:]:
            word = "batch norm" if "batch_norm" in layer.name else "ReLU"
            if "linear" in layer.name:
                bias = "with bias" if layer.use_bias else "without bias"
                first = f"{name}: " if layer is model.layers[1] else ""
                word = f"{first}dense {layer.input_shape[-1]} -> {layer.units} {bias}"
            words.append(word)
        size = model.output_shape[-1]
    golden.check_exactly("head/layers", words)


def test_every_key(golden, monkeypatch):
    for case in ("rho2", "rho4", "rho2_together"):
        peer = Peer(golden, case)
        for step in range(peer.steps):
            peer.take(step)
    check_lars(golden)
    check_clips(golden, monkeypatch)
    check_schedules(golden)
    check_heads(golden)
    golden.check_all_used(exceptions=EXCEPTIONS)
