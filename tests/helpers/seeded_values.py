"""What the package computes from weights and inputs that are drawn by name: a few numbers of each part.

Everything here is closed: a weight is a function of the name and the shape of its variable, an input of its
name. So numbers that are kept, `tests/reference/values`, can be computed anywhere again.
"""

from __future__ import annotations

import json
import pathlib
import zlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.heads import predictor, projector
from brave_tf.models.norm import BatchNorm
from brave_tf.models.tsm_resnet import tsm_resnet
from brave_tf.objectives.brave import BraVe
from brave_tf.objectives.regression import regression_loss
from brave_tf.training.optimizers import schedules
from brave_tf.training.optimizers.lars import lars

PATH = pathlib.Path(__file__).resolve().parents[1] / "reference" / "values" / "seeded.json"
# Of quarter-width networks of full depth.
WIDTH = 0.25
STEPS = 5

Numbers = dict[str, list[float]]


def normal(name: str, *shape: int) -> np.ndarray:
    """Returns float64 normal numbers that the name and the shape decide."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)


def summary(name: str, values: tf.Tensor | np.ndarray) -> list[float]:
    """Returns mean, norm, the product with a random direction, and the first four values."""
    values = np.asarray(values, np.float64)
    direction = normal(f"{name} direction", *values.shape)
    first = values.ravel()[:4]
    return [values.mean(), np.linalg.norm(values), np.sum(values * direction), *first]


def fill(model: tf.keras.Model) -> tf.keras.Model:
    """Gives each weight of a model its value, averages of normalisations too."""
    for variable in model.weights:
        noise = normal(variable.name, *variable.shape)
        if "kernel" in variable.name:
            noise *= np.sqrt(2 / np.prod(variable.shape[:-1]))
        elif "gamma" in variable.name or "variance" in variable.name:
            noise = 1 + 0.3 * np.tanh(noise)
        else:
            noise *= 0.2
        variable.assign(noise)
    return model


def averages(model: tf.keras.Model) -> np.ndarray:
    """Returns the moving averages of all normalisations of a model, one after the other."""
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    means = [average for norm in norms for average in (norm.moving_mean, norm.moving_variance)]
    return np.concatenate([mean.numpy().ravel() for mean in means])


def outputs(model: tf.keras.Model, x: np.ndarray, training: bool) -> np.ndarray:
    """Runs a model."""
    return model(tf.constant(x), training=training).numpy()


def clips(channels: int, name: str = "clips") -> np.ndarray:
    """Returns (2, 5, 40, 56, channels) values in [0, 1] that change smoothly from frame to frame."""
    shape = (2, 5, 40, 56, channels)
    t, y, x, c = np.meshgrid(*(np.arange(size) / 10 for size in shape[1:]), indexing="ij")
    wave = np.sin([2 * x + 3 * y + 4 * t + 5 * c, x - 2 * y + 6 * t - c])
    return np.clip(0.5 + 0.3 * wave + 0.05 * normal(name, *shape), 0, 1)


def log_mel(name: str = "log_mel") -> np.ndarray:
    """Returns (2, 70, 40) values about those of a spectrogram."""
    return np.abs(3 + 2 * normal(name, 2, 70, 40))


BACKBONES: Mapping[str, tuple[Callable[[], tf.keras.Model], Callable[[str], np.ndarray]]] = {
    "tsm_resnet/rgb": (
        lambda: tsm_resnet(width_multiplier=WIDTH),
        lambda name: clips(3, name),
    ),
    "tsm_resnet/flow": (
        lambda: tsm_resnet(width_multiplier=WIDTH, channels=2),
        lambda name: clips(2, name),
    ),
    "audio_resnet": (lambda: audio_resnet(width_multiplier=WIDTH), log_mel),
}


def inference(kind: str) -> Numbers:
    """Returns the features of a backbone with its averages, in the precision of Keras."""
    return _inference(kind, fill(BACKBONES[kind][0]()))


def _inference(kind: str, model: tf.keras.Model) -> Numbers:
    first = BACKBONES[kind][1]("first").astype(tf.keras.backend.floatx())
    return {"inference": summary(kind, outputs(model, first, False))}


def backbone(kind: str) -> Numbers:
    """Returns the features of a backbone in both modes, and the averages that two batches leave."""
    make, inputs = BACKBONES[kind]
    model = fill(make())
    found = _inference(kind, model)
    found["training"] = summary(kind, outputs(model, inputs("first"), True))
    outputs(model, inputs("second"), True)
    return {**found, "averages": summary("averages", averages(model))}


def heads() -> Numbers:
    """Returns projections and predictions in both modes, and the averages that two batches leave."""
    models = {"projector": fill(projector(24, 32, 16)), "predictor": fill(predictor(16, 32))}
    inputs = {"projector": (8, 24), "predictor": (8, 16)}
    found = {}
    for name, model in models.items():
        x = normal(f"{name} first", *inputs[name])
        found[f"{name}/inference"] = summary(name, outputs(model, x, False))
        found[f"{name}/training"] = summary(name, outputs(model, x, True))
        outputs(model, normal(f"{name} second", *inputs[name]), True)
        found[f"{name}/averages"] = summary(name, averages(model))
    return found


def distance(x: np.ndarray, y: np.ndarray, **options: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the regression loss of each row, (B,), and the gradient of their sum by `x`, (B, D)."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = regression_loss(x, tf.constant(y), **options)
    return losses.numpy(), tape.gradient(losses, x).numpy()


def losses() -> Numbers:
    """Returns the regression loss with its gradient, and terms, loss and gradients of BraVe."""
    x, y = normal("prediction", 6, 5), normal("target", 6, 5)
    # About the lower bound on norms, and zero.
    x[1:4] *= np.array([[1e-5], [1e-6], [0]])
    found = {}
    for name, values in zip(("losses", "gradient"), distance(x, y)):
        found[f"regression/{name}"] = summary(name, values)
    for kind in ("per_view", "shared"):
        terms, loss, gradients = _brave(kind)
        found |= {f"brave/{kind}/{name}": summary(name, values) for name, values in terms.items()}
        found[f"brave/{kind}/loss"] = [float(loss)]
        norms = np.array([np.linalg.norm(gradient) for gradient in gradients])
        found[f"brave/{kind}/gradients"] = summary("gradients", norms)
    return found


def _brave(kind: str) -> tuple[Mapping[str, tf.Tensor], tf.Tensor, list[np.ndarray]]:
    views = {"narrow": 7, "broad_video": 6, "broad_audio": 5}
    backbones = {}
    for view, size in views.items():
        x = tf.keras.Input((size,))
        backbones[view] = tf.keras.Model(x, tf.keras.layers.Dense(9, name=f"{view}_dense")(x))
    objective = BraVe(
        backbones,
        lambda size, name: projector(size, 16, 8, name=name),
        lambda size, name: predictor(size, 16, name=name),
        heads=kind,
    )
    fill(objective)
    batch = {view: tf.constant(normal(view, 10, size)) for view, size in views.items()}
    with tf.GradientTape() as tape:
        terms = objective.terms(batch, training=True).losses
        means = [tf.reduce_mean(term) for term in terms.values()]
        loss = objective.loss_scale * tf.reduce_mean(tf.stack(means))
    gradients = tape.gradient(loss, objective.trainable_variables)
    return terms, loss, [gradient.numpy() for gradient in gradients]


def trajectory(
    optimizer: tf.keras.optimizers.Optimizer,
    initial: Mapping[str, np.ndarray],
    gradient: Callable[[str, int], np.ndarray],
    steps: int,
) -> dict[str, np.ndarray]:
    """Returns how far each variable is from its initial value after each step, (steps, ...)."""
    variables = {name: tf.Variable(value, name=name) for name, value in initial.items()}
    moved = {name: [] for name in variables}
    for step in range(steps):
        pairs = [(tf.constant(gradient(name, step)), v) for name, v in variables.items()]
        optimizer.apply_gradients(pairs)
        for name, variable in variables.items():
            moved[name].append(variable.numpy() - initial[name])
    return {name: np.stack(values) for name, values in moved.items()}


def optimizers() -> Numbers:
    """Returns where LARS leads four kinds of variables, with and without its variants."""
    shapes = {"dense/kernel": (5, 4), "dense/bias": (4,), "norm/gamma": (4,)}
    shapes["predictor/linear/kernel"] = (4, 3)
    initial = {name: normal(name, *shape) for name, shape in shapes.items()}

    def gradient(name: str, step: int) -> np.ndarray:
        return 0.1 * normal(f"{name}@{step}", *shapes[name])

    found = {}
    for compat in ("correct", "released"):
        for nesterov in (True, False):
            optimizer = lars(
                schedules.warmup_cosine(peak=1.0, warmup_steps=2, total_steps=10),
                nesterov=nesterov,
                multipliers={"predictor/": 10.0},
                compat=compat,
            )
            for name, moved in trajectory(optimizer, initial, gradient, STEPS).items():
                found[f"{compat}/{'nesterov' if nesterov else 'plain'}/{name}"] = summary(
                    name, moved
                )
    return found


# Part -> what computes its numbers; in float64.
PARTS: Mapping[str, Callable[[], Numbers]] = {
    **{kind: (lambda kind=kind: backbone(kind)) for kind in BACKBONES},
    "heads": heads,
    "losses": losses,
    "lars": optimizers,
}


def compute(part: str) -> Numbers:
    """Computes the numbers of a part in float64; the precision of Keras is left at that."""
    tf.keras.backend.set_floatx("float64")
    return PARTS[part]()


def kept() -> dict[str, Numbers]:
    """Reads the numbers that are kept: part -> name -> numbers."""
    return json.loads(PATH.read_text())


def disagreements(found: Numbers, expected: Numbers, tolerance: float) -> list[str]:
    """Returns the names of those that differ by more than a share of the largest number of the name."""
    far = [name for name in expected if name not in found]
    for name, numbers in found.items():
        wanted = np.array(expected.get(name, [np.nan] * len(numbers)))
        scale = np.abs(wanted).max()
        if not np.abs(np.array(numbers) - wanted).max() <= tolerance * scale:
            far.append(name)
    return sorted(far)
