"""GDT against a loop over clips."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.gdt import GDT

CLIPS, T = 4, 0.3
KINDS = ("", "_reversed", "_shifted", "_shifted_reversed")
RNG = np.random.default_rng(0)
BATCH = {
    f"{modality}{kind}": RNG.normal(size=(CLIPS, 4)).astype(np.float32)
    for modality in ("narrow", "broad_audio")
    for kind in KINDS
}
BATCH["label"] = np.zeros(CLIPS, np.int64)


def head(size, name):
    return dense_backbone(size, 3)


def backbones(kinds):
    found = {"narrow": dense_backbone(4, 5), "broad_audio": dense_backbone(4, 6)}
    return {m + kind: m if kind else found[m] for m in found for kind in kinds}


def make(kinds=KINDS, **options):
    tf.keras.utils.set_random_seed(0)
    return GDT(backbones(kinds), projector=head, temperature=T, **options)


def unit(objective, modality, kind):
    z = objective.projectors[modality](objective.embed(modality, BATCH[modality + kind])).numpy()
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def expected(objective, rule, kinds, size):
    """The loss of each clip: a list of negatives for each query, with processes of `size` clips."""
    sides = ("narrow", "broad_audio")
    total = np.zeros(CLIPS)
    for kind, other in (kinds, kinds[::-1]):
        for modality, partner in (sides, sides[::-1]):
            q = unit(objective, modality, kind)
            same, apart = unit(objective, partner, kind), unit(objective, partner, other)
            positives = apart if rule == "invariant" else same
            for i in range(CLIPS):
                own = [j for j in range(CLIPS) if j // size == i // size]
                others = [j for j in range(CLIPS) if j // size != i // size]
                candidates = [positives[j] for j in own]
                candidates += [apart[j] for j in own] if rule == "variant" else []
                candidates += [x[j] for x in (same, apart) for j in others]
                chances = [np.exp(q[i] @ k / T) for k in candidates]
                total[i] -= np.log(np.exp(q[i] @ positives[i] / T) / sum(chances)) / 4
    return total


@pytest.mark.parametrize("size", [2, CLIPS])
def test_losses_are_those_of_a_loop(size):
    objective = make(reversal="invariant", shift="variant", clips_per_process=size)
    plain, backwards, shifted, both = KINDS
    comparisons = {
        "base_plain_reversed": ("base", (plain, backwards)),
        "invariant_plain_reversed": ("invariant", (plain, backwards)),
        "invariant_shifted_shifted_reversed": ("invariant", (shifted, both)),
        "variant_plain_shifted": ("variant", (plain, shifted)),
        "variant_reversed_shifted_reversed": ("variant", (backwards, both)),
    }
    terms = objective.terms(BATCH, training=True)
    assert list(terms.losses) == objective.term_names == list(comparisons)
    for name, (rule, kinds) in comparisons.items():
        value = expected(objective, rule, kinds, size)
        np.testing.assert_allclose(terms.losses[name], value, rtol=1e-4)
    video, audio = unit(objective, "narrow", ""), unit(objective, "broad_audio", "")
    found = np.argmax(video @ audio.T, axis=-1) == np.arange(CLIPS)
    np.testing.assert_array_equal(terms.monitors["accuracy/contrast"], found)


@pytest.mark.parametrize(("reversal", "shift", "count"), [(None, None, 1), ("invariant", None, 2)])
def test_it_has_the_views_of_its_transformations(reversal, shift, count):
    make(KINDS[:count], reversal=reversal, shift=shift)
    for kinds in (KINDS[: count - 1], KINDS):
        if kinds:
            with pytest.raises(errors.UserError, match="GDT.backbones has .*: expected"):
                make(kinds, reversal=reversal, shift=shift)


def test_devices_are_processes_or_make_no_difference():
    weights = {}
    for name, strategy, size in (
        ("one device", tf.distribute.get_strategy(), 2),
        ("two devices", two_replicas(), 2),
        ("a device a process", two_replicas(), None),
        ("one process", tf.distribute.get_strategy(), None),
    ):
        with strategy.scope():
            objective = make(reversal="invariant", clips_per_process=size)
            objective.compile(tf.keras.optimizers.SGD(0.5))
        clips = CLIPS // strategy.num_replicas_in_sync
        data = tf.data.Dataset.from_tensor_slices(BATCH)
        batches = strategy.distribute_datasets_from_function(
            lambda _, data=data, clips=clips: data.batch(clips, drop_remainder=True)
        )
        logs = objective.fit(batches, steps_per_epoch=1, verbose=0).history
        weights[name] = [*logs.values(), *(w.numpy() for w in objective.trainable_weights)]
    for name in ("two devices", "a device a process"):
        for one, two in zip(weights["one device"], weights[name]):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    assert abs(weights["one process"][0][0] - weights["one device"][0][0]) > 1e-3


def test_a_batch_is_divided_into_processes():
    make(clips_per_process=2).check_batch(6)
    with pytest.raises(errors.UserError, match="GDT.clips_per_process = 4: expected a divisor"):
        make(clips_per_process=4).check_batch(6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reversal": "both"}, "GDT.reversal = 'both': expected one of"),
        ({"compat": "exact"}, "GDT.compat = 'exact': expected one of"),
        ({"temperature": 0.0}, "GDT.temperature = 0.0"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(errors.UserError, match=said):
        GDT(**{"backbones": backbones(KINDS), "projector": head, **options})
