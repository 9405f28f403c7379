"""GDT's own training step, for all nine hypotheses, against the values of its released code."""

import re

import golden_peers
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_filter_bank import LogFilterBank
from brave_tf.data.views.sampling import frame_indices, linear_starts
from brave_tf.models.audio_resnet_v1 import audio_resnet_v1
from brave_tf.models.heads import mlp_head
from brave_tf.models.r2plus1d import r2plus1d
from brave_tf.objectives.gdt import GDT, KINDS
from brave_tf.training.optimizers.epochs import by_epoch
from brave_tf.training.optimizers.schedules import piecewise, rate_by_shard
from brave_tf.training.optimizers.warmup import warmup_into

MODALITIES = {"video": "narrow", "audio": "broad_audio"}


def view_of(modality, kind):
    return MODALITIES[modality] + ("" if kind == "plain" else f"_{kind}")


class Case:
    """What goes in, of all processes one after the other."""

    def __init__(self, golden):
        self.golden = golden
        inputs, self.constants = golden.case("hypotheses")
        self.processes, self.clips, self.width = inputs["video_plain"].shape
        self.total = self.processes * self.clips
        self.features = {
            view_of(modality, kind): inputs[f"{modality}_{kind}"].reshape(self.total, -1)
            for modality in MODALITIES
            for kind in KINDS
        }

    def rules(self, hypothesis):
        """The bindings of a hypothesis, from what the file calls it."""
        name = self.constants["hypotheses"][str(hypothesis)]
        found = {of: rule for rule, of in re.findall("(variant|invariant)_(reversal|shift)", name)}
        assert name == "baseline" or "_".join(f"{r}_{of}" for of, r in found.items()) == name
        return {"reversal": found.get("reversal"), "shift": found.get("shift")}

    def make(self, hypothesis, **options):
        rules = self.rules(hypothesis)
        kinds = ["plain"]
        kinds += ["reversed"] if rules["reversal"] else []
        kinds += ["shifted"] if rules["shift"] else []
        kinds += ["shifted_reversed"] if all(rules.values()) else []
        views = [view_of(modality, kind) for modality in MODALITIES for kind in kinds]
        objective = GDT(
            {view: golden_peers.feature_table(self.features[view], view) for view in views},
            projector=identity,
            temperature=self.constants["temperature"],
            **rules,
            **options,
        )
        # A process follows the mean over its own clips.
        objective.loss_scale = float(self.processes)
        objective.compile(tf.keras.optimizers.SGD(1.0))
        return objective

    def batch(self, objective):
        one_hot = np.eye(self.total, dtype=np.float32)
        views = dict.fromkeys(objective.backbones, one_hot)
        return {**views, "label": np.zeros(self.total, np.int64)}

    def gradients(self, objective, modality):
        """What the step followed, (kinds, clips, D): what it took off the features."""
        found = np.zeros((len(KINDS), self.total, self.width), np.float32)
        for index, kind in enumerate(KINDS):
            view = view_of(modality, kind)
            if view in objective.backbones:
                after = objective.backbones[view].get_weights()[0]
                found[index] = self.features[view] - after
        return found


def identity(size, name):
    return tf.keras.Sequential([tf.keras.Input((size,)), tf.keras.layers.Lambda(tf.identity)], name)


def counts(case, comparison):
    """Negatives of the queries of both kinds beside the process's own positives."""
    others = sum(comparison.negatives.values()) * (case.total - case.clips)
    own = case.clips if comparison.rule == "variant" else 0
    return [others + own if index < len(comparison.kinds) else 0 for index in range(2)]


def check(case, hypothesis, objective):
    """Takes a step; compares all that the file has of the hypothesis."""
    found, terms = [], objective.terms

    def record(batch, training):
        found.append(terms(batch, training))
        return found[-1]

    objective.terms = record
    logs, _ = objective.train_step(case.batch(objective))
    losses = np.stack(list(found[0].losses.values()))
    assert list(found[0].losses) == objective.term_names
    np.testing.assert_allclose(logs["loss"], case.processes * losses.mean(), rtol=1e-5)
    for process in range(case.processes):
        key = f"hypothesis{hypothesis}/replica{process}"
        own = slice(process * case.clips, (process + 1) * case.clips)
        case.golden.check(f"{key}/loss", losses[:, own].mean())
        case.golden.check(f"{key}/term_losses", losses[:, own].mean(axis=1))
        numbers = [counts(case, each) for each in objective.comparisons]
        case.golden.check(f"{key}/negatives_per_term", numbers)
        for modality in MODALITIES:
            gradient = case.gradients(objective, modality)[:, own]
            case.golden.check(f"{key}/grad_{modality}", gradient, golden_peers.GRADIENTS)


def check_sound(golden):
    """What the peer hears: 16 bits of the sound, from a moment on, for a second."""
    inputs, constants = golden.case("logfbank")
    rate = constants["rate"]
    samples = np.clip(np.round(inputs["waveform"] * constants["int16_scale"]), -32768, 32767)
    begin = int(constants["start_seconds"] * rate)
    pcm = (samples[begin : begin + rate] / 32768).astype(np.float32)
    for key in filter(re.compile(r"audio/logfbank_\d+$").match, golden.arrays.files):
        bins = int(key.rpartition("_")[2])
        options = {"sample_rate": rate, "mel_bins": bins}
        plain = LogFilterBank(mean=None, deviation=None, **options)
        values = np.transpose(plain(pcm))
        # Of the larger one every sixth frame is there.
        every = 1 if values.shape == golden.arrays[key].shape else 6
        golden.check(key, values[:, ::every])
        frames, _ = AudioView(duration=1.0, log_mel=plain).shape
        golden.check(f"{key}_shape", [1, bins, frames])
        normalised = np.sum(LogFilterBank(**options)(pcm), dtype=np.float64)
        golden.check(f"{key}_normalised_sum", normalised)


def check_moments(golden):
    """The places of a clip that the peer draws from are the first 1001 of as many even ones."""
    indices = golden.arrays["sampling/clip_index"]
    golden.used.add("sampling/clip_index")
    count = len(golden.arrays["sampling/frames_30"])
    for key in filter(re.compile("sampling/start_end_of_").match, golden.arrays.files):
        # One that is too short begins at 0.
        length = max(int(key.rpartition("_")[2]), count)
        starts = linear_starts(tf.constant(length), tf.constant(count), 1001).numpy()[indices]
        golden.check(key, np.stack([starts, starts + count - 1], axis=-1))
    rate = tf.constant(30.0, tf.float64)
    frames = frame_indices(tf.constant(0.0), count, 1, 30.0, rate, tf.constant(300))
    golden.check("sampling/frames_30", frames)


def check_rates(golden):
    """Of 64 processes; the default's milestones take effect an epoch late."""
    peak = rate_by_shard(0.01, 64)
    after = {
        "k400_script": peak,
        "default": piecewise([peak, 0.1 * peak, 0.01 * peak], [151, 176]),
    }
    for row, schedule in after.items():
        schedule = warmup_into(schedule, 10, initial=0.01)
        schedule = by_epoch(schedule, whole=True, clips=10, batch_size=10)
        epochs = range(len(golden.arrays[f"schedule/{row}_lr"]))
        golden.check(f"schedule/{row}_lr", [float(schedule(tf.constant(e))) for e in epochs])


def check_head(golden):
    head = mlp_head(512, widths=(512, 256), hidden_bias=False, dropout=0.3)
    golden.check_parameters("head/parameters", head)
    # The objective normalises.
    words = [*map(described, head.layers[1:]), "L2 normalisation"]
    np.testing.assert_array_equal(golden.arrays["head/layers"], words)
    golden.used.add("head/layers")


def check_backbones(golden):
    video = r2plus1d(18, planes_of="block", padding="torch")
    golden.check_parameters("backbone/video_parameters", video)
    # The count of the file has a classifier of 1,000 classes, which features do not need.
    audio = audio_resnet_v1(9)
    golden.check_parameters("backbone/audio_parameters", audio, classes=1000)


def described(layer):
    """A layer in the words of the file."""
    if "linear" in layer.name:
        bias = "with" if layer.use_bias else "without"
        return f"dense {layer.input_shape[-1]} -> {layer.units} {bias} bias"
    if "dropout" in layer.name:
        return f"dropout {layer.rate}"
    return "batch norm" if "batch_norm" in layer.name else "ReLU"


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "gdt")
    case = Case(golden)
    for hypothesis in case.constants["hypotheses"]:
        released = case.make(hypothesis, clips_per_process=case.clips, compat="released")
        check(case, hypothesis, released)
    check_sound(golden)
    check_moments(golden)
    check_rates(golden)
    check_head(golden)
    check_backbones(golden)
    golden.check_all_used()


@pytest.mark.parametrize("hypothesis", [1, 2, 4])
def test_sets_of_negatives_are_the_lists_that_did_not_grow(shared_dir, hypothesis):
    case = Case(golden_peers.Golden(shared_dir, "gdt"))
    check(case, hypothesis, case.make(hypothesis, clips_per_process=case.clips))
