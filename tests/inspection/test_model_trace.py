"""What the parts of an objective cost, against closed forms and separate counts."""

import clip_bank
import pytest
import tensorflow as tf
import toy_models

from brave_tf import config
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.base import View
from brave_tf.inspection import model_summary, model_trace, multiply_adds
from brave_tf.objectives import queue
from brave_tf.objectives.base import Objective, Terms
from brave_tf.objectives.brave import BraVe
from brave_tf.objectives.memory_bank import MemoryBank
from brave_tf.objectives.momentum_copy import MomentumCopy
from brave_tf.objectives.supervised import Supervised
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

layers = tf.keras.layers


class Vector(View):
    """A view that is (6,) float32."""

    modality = "audio"
    duration, shape, fields = 1.0, (6,), ()
    random_start = sample = crops = None


class Gate(layers.Layer):
    """A custom layer with a weight of its own, and a branch on a tensor, which autograph turns into graph."""

    def build(self, shape):
        self.kernel = self.add_weight("kernel", (shape[-1], shape[-1]))

    def call(self, x):
        if tf.reduce_sum(x) > 0:
            x = x + 1.0
        return x * tf.sigmoid(tf.einsum("bi,ij->bj", x, self.kernel))


def nested_backbone():
    """(B, 6) -> (B, 4): a model in a model, a custom layer, and a recurrent one."""
    x = tf.keras.Input((6,))
    inner = tf.keras.Sequential([toy_models.dense_backbone(6, 8), Gate()], name="inner")
    y = layers.LSTM(4, name="recurrent")(layers.Reshape((2, 4))(inner(x)))
    return tf.keras.Model(x, y, name="nested")


def linear_head(input_size, name):
    x = tf.keras.Input((input_size,))
    return tf.keras.Model(x, layers.Dense(3, name=f"{name}_linear")(x), name=name)


def traced(objective, batch_size=2):
    views = {view: Vector() for view in objective.backbones}
    trace = model_trace.trace_model(objective, views, batch_size)
    return {part.name: part for part in trace.parts}, trace


def brave(heads="per_view", **backbones):
    return BraVe(backbones, projector=linear_head, predictor=linear_head, heads=heads)


def test_parts_have_their_shapes_weights_and_costs():
    a, b = toy_models.dense_backbone(6, 5), toy_models.dense_backbone(6, 4)
    parts, _ = traced(brave(narrow=a, broad=b))
    narrow = parts[f"narrow: {a.name}"]
    assert (narrow.calls, narrow.takes, narrow.gives) == (1, (6,), (5,))
    assert narrow.parameters == narrow.trainable == 6 * 5 + 5
    assert narrow.multiply_adds == 6 * 5
    head = parts["broad_projector"]
    assert (head.takes, head.gives, head.multiply_adds) == ((4,), (3,), 4 * 3)
    assert parts[model_trace.OTHER].parameters == 0
    assert parts[model_trace.OTHER].multiply_adds == 0


def test_a_part_that_is_called_twice_costs_twice_and_counts_its_weights_once():
    backbone = toy_models.dense_backbone(6, 5)
    parts, trace = traced(brave("shared", narrow=backbone, broad=backbone))
    part = parts[f"narrow, broad: {backbone.name}"]
    assert (part.calls, part.parameters, part.multiply_adds) == (2, 35, 2 * 30)
    assert parts["shared_projector"].calls == 2
    assert sum(p.parameters for p in trace.parts) == 35 + (5 * 3 + 3) + (3 * 3 + 3)


def test_an_objective_may_ask_which_clip_it_is():
    objective = clip_bank.ClipBank({"broad_audio": toy_models.dense_backbone(6, 4)})
    parts, _ = traced(objective)
    assert any(name.startswith("broad_audio: ") for name in parts)


def test_costs_are_per_clip_whatever_the_batch():
    one, _ = traced(brave(narrow=nested_backbone(), broad=nested_backbone()), 1)
    many, _ = traced(brave(narrow=nested_backbone(), broad=nested_backbone()), 7)
    costs = [[part.multiply_adds for part in parts.values()] for parts in (one, many)]
    assert costs[0] == costs[1]


def test_nested_models_and_custom_layers_count():
    parts, _ = traced(brave(narrow=nested_backbone(), broad=toy_models.dense_backbone(6, 4)))
    part = parts["narrow: nested"]
    recurrent = 4 * 16 + 4 * 16 + 16
    assert part.parameters == (6 * 8 + 8) + 8 * 8 + recurrent
    assert part.multiply_adds == 6 * 8 + 8 * 8 + 2 * (4 * 16 + 4 * 16)
    assert part.kept > 0


def test_the_objective_is_as_before():
    backbone = toy_models.dense_backbone(6, 5)
    objective = brave(narrow=backbone, broad=backbone)
    before = [weight.numpy() for weight in objective.weights]
    traced(objective)
    traced(objective)
    assert "call" not in vars(backbone)
    for weight, old in zip(objective.weights, before):
        assert (weight.numpy() == old).all()


class Queue(Objective):
    """Compares features with a queue that is the objective's own weight."""

    def __init__(self, backbones):
        super().__init__(backbones)
        self.queue = self.add_weight(name="queue", shape=(100, 5), trainable=False)

    term_names = ("queue",)

    def terms(self, batch, training):
        features = self(batch, training)
        logits = tf.matmul(features["narrow"], self.queue, transpose_b=True)
        return Terms({"queue": tf.reduce_sum(logits, -1)}, features, {})


def test_what_is_outside_of_parts_is_a_part():
    parts, _ = traced(Queue({"narrow": toy_models.dense_backbone(6, 5)}))
    other = parts[model_trace.OTHER]
    assert (other.parameters, other.trainable) == (500, 0)
    assert other.multiply_adds == 100 * 5


class Unknown(layers.Layer):
    """Keeps the rows that are above their mean: how many is only known when it runs."""

    def call(self, x):
        kept = tf.boolean_mask(x, tf.reduce_mean(x, -1) > 0)
        return x + tf.reduce_sum(tf.matmul(kept, tf.ones((6, 6))))


def test_a_cost_that_is_not_known_is_said_to_be_unknown():
    x = tf.keras.Input((6,))
    parts, trace = traced(Queue({"narrow": tf.keras.Model(x, layers.Dense(5)(Unknown()(x)))}))
    assert [part.multiply_adds for part in trace.parts][0] is None
    assert parts[model_trace.OTHER].multiply_adds == 500


def test_the_demo():
    config.load_config(["demo_v_fa"])
    recipe = bound(Recipe)
    objective = recipe.build(0)
    trace = model_trace.trace_model(objective, recipe.views, 8)
    parts = {part.name: part for part in trace.parts}
    for view, backbone in objective.backbones.items():
        part = parts[f"{view}: {backbone.name}"]
        spec = tf.TensorSpec((1, *recipe.views[view].shape))
        call = tf.function(lambda x, b=backbone: b(x, training=True), autograph=False)
        alone = multiply_adds.graph_cost(call.get_concrete_function(spec).graph)
        assert part.multiply_adds == alone
        assert part.parameters == backbone.count_params()
    weights = sum(weight.shape.num_elements() for weight in objective.weights)
    assert sum(part.parameters for part in trace.parts) == weights
    assert trace.peak > 8 * sum(part.kept for part in trace.parts)


class Keys(Objective):
    """With a queue, a bank of half precision, a momentum copy and a part on the same backbone."""

    term_names = ("nearest",)

    def __init__(self):
        super().__init__({"narrow": toy_models.dense_backbone(6, 4)})
        self.queue = queue.Queue(10, 4, ids=("group",))
        self.bank = MemoryBank(100, 4, dtype="float16")
        self.target = MomentumCopy(self.backbones)
        self.part = Supervised(self.backbones, num_classes=3)

    def terms(self, batch, training):
        features = self(batch, training=training)
        nearest = tf.reduce_max(
            tf.matmul(features["narrow"], self.queue.entries, transpose_b=True), -1
        )
        part = self.part.terms(batch, training).losses["narrow_classification"]
        return Terms({"nearest": nearest + part}, features, {}, writes=[self.fail])

    def fail(self):
        raise AssertionError("to trace is not to write")


def test_state_is_counted_beside_what_is_trained():
    objective = Keys()
    parts, trace = traced(objective)
    bytes_of = {name: part.state for name, part in parts.items() if part.state}
    # Numbers of 4, 8 and 1 bytes: keys, ids, ages and the pointer, flags.
    assert bytes_of == {
        "queue": 10 * 4 * 4 + 2 * 10 * 8 + 8 + 1,
        "memory_bank": 100 * 4 * 2,
        "target": (6 * 4 + 4) * 4 + 1,
    }
    assert parts["target"].trainable == 0
    assert parts["narrow_classifier"].parameters == 4 * 3 + 3
    total = sum(weight.shape.num_elements() for weight in objective.weights)
    assert sum(part.parameters for part in trace.parts) == total
    settings = Settings(data_dir="", optimizer=lambda: None, num_steps=1, batch_size=2)
    text = model_summary.memory(trace, settings)
    held = sum(bytes_of.values())
    assert f"; state that no gradient trains holds {held / 1000:.2f} kB" in text
    assert "weights, 172 B" in text


@pytest.mark.long
def test_the_full_size_recipe_can_be_summarised():
    config.load_config(["as_v_fa"])
    text = model_summary.model_summary(2)
    assert "unknown" not in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if "tsm_resnet" in line}
    assert rows["narrow:"][5:7] == ["23,545,792", "23,500,352"]
    assert "a training step of 2 clips" in text


def test_the_summary_names_views_parts_and_totals():
    config.load_config(["demo_v_fa"], ["train.precision = 'mixed_bfloat16'"])
    text = model_summary.model_summary(3)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["narrow"][1:3] == ["rgb", "8x48x48x3"]
    assert AudioView.modality in rows["broad_audio"]
    assert rows["narrow_projector"][2:4] == ["128", "64"]
    assert rows["total"][1:3] == ["1,438,656", "1,429,248"]
    assert "3 clips, mixed_bfloat16" in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 "), (999, "999 "), (23_545_792, "23.5 M"), (1e3, "1.00 k"), (65.4e9, "65.4 G")],
)
def test_numbers_have_three_digits(number, text):
    assert model_summary.short(number) == text
