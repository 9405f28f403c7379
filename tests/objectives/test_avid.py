"""AVID and AVID-CMA: clips without rows, devices, evaluation, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.agreement_search import nearest_rows
from brave_tf.objectives.avid import AVID
from brave_tf.objectives.avid_cma import AVIDCMA
from brave_tf.objectives.occasions import Passed, RowFeatures

CLIPS, ROWS, K, T = 6, 20, 5, 0.3
RNG = np.random.default_rng(0)
BATCH = {view: RNG.normal(size=(CLIPS, 4)).astype(np.float32) for view in ("narrow", "broad_audio")}
BATCH["label"] = np.zeros(CLIPS, np.int64)
BATCH["clip_id"] = np.array([3, 0, 19, 7, -1, 4])
KINDS = {AVID: {"within_modal_weight": 0.5}, AVIDCMA: {"positives": 3, "negatives_within": 2}}


def head(size, name):
    return dense_backbone(size, 3)


def make(kind=AVID, strategy=None, **options):
    tf.keras.utils.set_random_seed(0)
    with (strategy or tf.distribute.get_strategy()).scope():
        backbones = {"narrow": dense_backbone(4, 5), "broad_audio": dense_backbone(4, 6)}
        options = {**KINDS[kind], **options}
        objective = kind(
            backbones, num_clips=ROWS, projector=head, negatives=K, temperature=T, **options
        )
        objective.compile(tf.keras.optimizers.SGD(0.1))
    if kind is AVIDCMA:
        objective.search_positives()
    return objective


def unit(objective, modality, view):
    z = objective.projectors[modality](objective.embed(view, BATCH[view])).numpy()
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def state(objective):
    return [w.numpy() for w in objective.weights]


@pytest.mark.parametrize("kind", KINDS)
def test_clips_without_rows_have_their_own_embeddings_in_place_of_them(kind):
    objective = make(kind)
    objective.normalizer.settle(tf.constant(2.0))
    x = {"video": unit(objective, "video", "narrow")}
    x["audio"] = unit(objective, "audio", "broad_audio")
    banks = {"video": objective.video_bank.vectors.numpy()}
    banks["audio"] = objective.audio_bank.vectors.numpy()
    kept = {}
    negatives = objective.negatives
    objective.negatives = lambda *args: kept.setdefault("negatives", negatives(*args))
    terms = objective.terms(BATCH, training=False)
    losses, rows, others = terms.losses, BATCH["clip_id"], kept["negatives"].numpy()
    own = {m: np.where(rows[:, np.newaxis] < 0, x[m], banks[m][rows]) for m in x}
    for query, memory in (("video", "audio"), ("audio", "video")):
        for clip in range(CLIPS):
            positive = np.exp(x[query][clip] @ own[memory][clip] / T)
            value = -np.log(positive / (positive + K * 2))
            for row in others[clip]:
                value += np.log1p(np.exp(x[query][clip] @ banks[memory][row] / T) / (K * 2))
            np.testing.assert_allclose(losses[f"{query}_to_{memory}"][clip], value, rtol=1e-4)
    # What is watched is of the first term.
    near = np.sum(x["video"] * own["audio"], axis=-1)
    far = np.einsum("bd,bkd->bk", x["video"], banks["audio"][others]).mean(axis=-1)
    for name, expected in (("positive", near), ("negative", far)):
        np.testing.assert_allclose(terms.monitors[f"similarity/{name}"], expected, atol=1e-5)
    within = losses[objective.term_names[2]][4]
    assert np.isfinite(within)
    for clip, row in enumerate(rows):
        taken = objective.positives.values.numpy()[row] if kind is AVIDCMA else [row]
        assert row < 0 or not set(others[clip]) & set(taken)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_writes_nothing_and_training_what_it_saw(kind):
    objective = make(kind)
    before = state(objective)
    first = objective.test_on_batch(BATCH, return_dict=True)
    objective.reset_metrics()
    assert objective.test_on_batch(BATCH, return_dict=True) == first
    for one, two in zip(before, state(objective)):
        np.testing.assert_array_equal(one, two)
    video, bank = unit(objective, "video", "narrow"), objective.video_bank.vectors.numpy()
    objective.train_on_batch(BATCH)
    expected = bank.copy()
    for clip, row in enumerate(BATCH["clip_id"]):
        if row >= 0:
            moved = (bank[row] + video[clip]) / 2
            expected[row] = moved / np.linalg.norm(moved)
    np.testing.assert_allclose(objective.video_bank.vectors, expected, atol=1e-5)
    assert objective.normalizer.known and int(objective.draws.seed[1]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_two_replicas_take_the_steps_of_one_device(kind):
    results = []
    for strategy in (None, two_replicas()):
        objective = make(kind, strategy)
        strategy = objective.distribute_strategy
        clips = CLIPS // strategy.num_replicas_in_sync
        data = tf.data.Dataset.from_tensor_slices(BATCH).repeat(2)
        batches = strategy.distribute_datasets_from_function(
            lambda _, data=data, clips=clips: data.batch(clips, drop_remainder=True)
        )
        logs = objective.fit(batches, steps_per_epoch=1, epochs=2, verbose=0).history
        results.append([*logs.values(), *state(objective)])
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_terms_without_weight_are_not_computed():
    objective = make(cross_modal_weight=0.0, within_modal_weight=1.0)
    assert objective.term_weights == {"video_to_video": 0.5, "audio_to_audio": 0.5}
    assert list(objective.terms(BATCH, training=True).losses) == objective.term_names


def test_positives_are_searched_on_occasions_by_the_banks_as_they_are():
    objective = make(AVIDCMA)
    found = objective.positives.values.numpy()
    (start,) = objective.occasions
    assert start.due(Passed(step=0, batch_size=CLIPS, epoch_clips=ROWS)) and start.views == ()
    objective.audio_bank.vectors.assign(objective.audio_bank.vectors.numpy()[::-1])
    objective.on_occasion(start, RowFeatures(of=None))
    banks = objective.video_bank.vectors.numpy(), objective.audio_bank.vectors.numpy()
    np.testing.assert_array_equal(objective.positives.values, nearest_rows(*banks, 3))
    assert not np.array_equal(objective.positives.values, found)


def test_positives_have_to_be_searched_first():
    objective = make(AVIDCMA)
    objective.positives.replace(np.full((ROWS, 3), -1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="AVIDCMA knows no positives"):
        objective.terms(BATCH, training=True)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (AVID, {"negatives": 0}, "AVID.negatives = 0: expected 1 or more"),
        (AVID, {"temperature": 0}, "AVID.temperature = 0"),
        (AVID, {"cross_modal_weight": -1.0}, "AVID.._modal_weight = "),
        (AVID, {"audio": "sound"}, "AVID.backbones has .* expected two views"),
        (AVIDCMA, {"positives": ROWS}, "AVIDCMA.positives = 20"),
        (AVIDCMA, {"negatives_within": 7}, "AVIDCMA.negatives_within = 7: expected 1 to 6"),
        (AVIDCMA, {"negativs": 7}, "AVIDCMA has no argument 'negativs'.*negatives"),
        (AVIDCMA, {"agreement": "all"}, "AVIDCMA.agreement = all"),
    ],
)
def test_what_cannot_be_is_refused(kind, options, said):
    backbones = {"narrow": dense_backbone(4, 5), "broad_audio": dense_backbone(4, 6)}
    options = {"projector": head, "negatives": 6, **KINDS[kind], **options}
    with pytest.raises(errors.UserError, match=said):
        kind(backbones, num_clips=ROWS, **options)
