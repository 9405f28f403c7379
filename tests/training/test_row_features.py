"""Features of all clips that are trained on, by row, of one process and of two."""

import clustering
import gin
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.errors import UserError
from brave_tf.objectives.occasions import EverySteps
from brave_tf.training import row_features
from brave_tf.training.inputs import Inputs
from brave_tf.training.recipe import Recipe
from brave_tf.training.row_features import RowFeatureFolder, Wanted, whole_batch
from brave_tf.training.settings import Settings
from brave_tf.training.workers import ONE, Workers

CLIPS, DAMAGED = 11, 6
PAIR = ("a:1", "b:2")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Sound of different lengths in 3 shards; one clip has samples that are no numbers."""
    folder, rng = tmp_path_factory.mktemp("records"), np.random.default_rng(0)
    made = []
    for number in range(CLIPS):
        sound = rng.normal(0, 0.1, 5000 + 300 * number).astype(np.float32)
        sound[10:] *= np.nan if number == DAMAGED else 1
        made.append(record_fixtures.record(audio=sound, sample_rate=8000.0, path=f"{number}.wav"))
    settings = {"audio": "float", "sample_rate": 8000}
    record_fixtures.write_shards(folder, made, 3, settings=settings)
    return folder


@pytest.fixture
def made(records):
    """(held_out_every, temporal) -> objective, inputs and what is wanted."""

    def make(every=None, temporal=1):
        mel = LogMel(sample_rate=8000, mel_bins=16, upper_hz=3800.0)
        view = AudioView(duration=0.5, log_mel=mel)
        recipe = Recipe(views={"broad_audio": view}, objective=lambda: None)
        settings = Settings(
            str(records), lambda: None, batch_size=4, num_steps=1, held_out_every=every
        )
        occasion = EverySteps(1, temporal=temporal)
        tf.keras.utils.set_random_seed(0)
        objective = clustering.Clustering({"broad_audio": clustering.pooled()}, CLIPS, [occasion])
        objective.compile(tf.keras.optimizers.SGD(0.1))
        inputs = Inputs(settings, recipe, by_row=True)
        return objective, inputs, Wanted(objective, occasion, 1, "broad_audio")

    yield make
    gin.clear_config()


def one_by_one(objective, inputs, temporal=1):
    """(clips, D) of the clips in the order of their rows, NaN for the damaged one."""
    view = inputs.recipe.views["broad_audio"]
    source, part = open_source(inputs.settings.data_dir), inputs.part(held_out=False)
    stream = source.stream("train", inputs.recipe.views)
    stream = stream if part is None else stream.part(*part)
    found = []
    for item, _ in stream.once(0):
        try:
            windows = view.crops(stream.parse(item), temporal, 1)
            found.append(np.mean(objective.embed("broad_audio", windows), axis=0))
        except tf.errors.InvalidArgumentError:
            found.append(np.full(16, np.nan))
    assert np.isnan(found).any(axis=1).sum() <= 1
    return np.stack(found)


def folder_of(objective, inputs, folder, workers=ONE):
    return RowFeatureFolder(objective, inputs, workers, folder, lambda: None)


@pytest.mark.parametrize(("every", "temporal"), [(None, 1), (4, 3)])
def test_rows_are_those_of_the_clips_that_are_trained_on(made, tmp_path, every, temporal):
    objective, inputs, wanted = made(every, temporal)
    found = folder_of(objective, inputs, tmp_path).compute([wanted])(wanted)
    expected = one_by_one(objective, inputs, temporal)
    assert len(expected) == inputs.rows.count
    assert len(expected) == CLIPS if every is None else len(expected) < CLIPS
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(found).all(axis=1).sum() == np.isnan(expected).any(axis=1).sum()


def test_processes_compute_a_share_each_and_read_all(made, tmp_path, monkeypatch):
    objective, inputs, wanted = made()
    told = []
    monkeypatch.setattr(row_features, "total", lambda *_: [0.0])
    monkeypatch.setattr(
        row_features, "told_by_chief", lambda _, workers, own: told.append(own) or told[0]
    )
    chief, other = (
        folder_of(objective, inputs, tmp_path, Workers(PAIR, index)) for index in (0, 1)
    )
    with pytest.raises(UserError, match="process 1 of the run has computed: give all processes"):
        chief.compute([wanted])(wanted)
    found = other.compute([wanted])(wanted)
    np.testing.assert_allclose(found, one_by_one(objective, inputs), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(chief.compute([wanted])(wanted), found)
    # Three shards: the first process has two of them.
    stores = [chief._store(wanted, next(tmp_path.glob("*/*")), index).rows for index in (0, 1)]
    assert stores[0] > stores[1] > 0 and sum(stores) == CLIPS - 1


def test_features_of_other_weights_are_computed_again_in_their_place(made, tmp_path):
    objective, inputs, wanted = made()
    folder = folder_of(objective, inputs, tmp_path)
    before = folder.compute([wanted])(wanted)
    (kept,) = tmp_path.glob("*/*")
    np.testing.assert_array_equal(folder.compute([wanted])(wanted), before)
    assert list(tmp_path.glob("*/*")) == [kept]
    for weight in objective.backbones["broad_audio"].trainable_weights:
        weight.assign(2 * weight)
    after = folder.compute([wanted])(wanted)
    np.testing.assert_allclose(after, one_by_one(objective, inputs), rtol=1e-4, atol=1e-6)
    assert not kept.exists() and len(list(tmp_path.glob("*/*"))) == 1
    folder.remove()
    assert not list(tmp_path.iterdir())


def test_features_that_are_not_finite_are_refused(made, tmp_path):
    objective, inputs, wanted = made()
    bias = objective.backbones["broad_audio"].layers[-1].bias
    bias.assign(np.inf * np.ones(bias.shape))
    with pytest.raises(UserError, match="step 0, view 'broad_audio': the features of 10 "):
        folder_of(objective, inputs, tmp_path).compute([wanted])


@pytest.mark.parametrize(
    ("most", "group", "replicas", "expected"),
    [
        (8, 1, 1, 8),
        (8, 1, 2, 8),
        (8, 3, 1, 6),
        (8, 30, 1, 6),
        (8, 30, 2, 6),
        (2, 3, 4, 12),
        (1, 1, 4, 4),
        (16, 10, 4, 20),
    ],
)
def test_batches_hold_whole_clips_or_clips_whole_batches(most, group, replicas, expected):
    assert whole_batch(most, group, replicas) == expected
