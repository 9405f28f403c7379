"""GDT's own training step, for all nine hypotheses, against the values of its released code."""

import re

import golden_peers
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_filter_bank import LogFilterBank
from brave_tf.objectives.gdt import GDT, KINDS

# Those of the parts that other tests are of: heads, backbones and learning rates. The moments of clips are
# those of the peer's loader, which draws one of 1001 places; a window here starts anywhere.
ELSEWHERE = ("head/", "backbone/", "schedule/", "sampling/")
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
    for bins in (40, 257):
        key, options = f"audio/logfbank_{bins}", {"sample_rate": rate, "mel_bins": bins}
        plain = LogFilterBank(mean=None, deviation=None, **options)
        values = np.transpose(plain(pcm))
        every = -(-values.shape[1] // golden.arrays[key].shape[1])
        golden.check(key, values[:, ::every])
        frames, _ = AudioView(duration=1.0, log_mel=plain).shape
        golden.check(f"{key}_shape", [1, bins, frames])
        normalised = np.sum(LogFilterBank(**options)(pcm), dtype=np.float64)
        golden.check(f"{key}_normalised_sum", normalised)


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "gdt")
    case = Case(golden)
    for hypothesis in case.constants["hypotheses"]:
        released = case.make(hypothesis, clips_per_process=case.clips, compat="released")
        check(case, hypothesis, released)
    check_sound(golden)
    golden.check_all_used(*ELSEWHERE)


@pytest.mark.parametrize("hypothesis", [1, 2, 4])
def test_sets_of_negatives_are_the_lists_that_did_not_grow(shared_dir, hypothesis):
    case = Case(golden_peers.Golden(shared_dir, "gdt"))
    check(case, hypothesis, case.make(hypothesis, clips_per_process=case.clips))
