"""An objective of one's own: a file that a recipe imports, trained, saved and resumed like any other."""

import bank_contrast
import numpy as np
import pytest
import tensorflow as tf
import tiny_run
from toy_models import dense_backbone

from brave_tf import config
from brave_tf.training import recipe, run

RECIPE = """
import bank_contrast
Recipe.objective = @BankContrast
BankContrast.backbones = {'narrow': @narrow/tsm_light(), 'broad_audio': @broad_audio/audio_light()}
BankContrast.bank_size = 8
"""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """The folder of a run of two steps, resumed for two more."""
    folder = tmp_path_factory.mktemp("outside")
    path = tiny_run.write_recipe(folder, tiny_run.write_records(folder / "data"), RECIPE)
    for steps in (2, 4):
        config.load_config([str(path)], [f"train.num_steps = {steps}"])
        assert run.train(str(folder / "run"))
    return folder / "run"


@pytest.mark.long
def test_its_terms_monitors_features_and_projections_are_logged(model_dir):
    tags = set()
    for path in (model_dir / "tensorboard" / "train").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    expected = {"loss", "loss/narrow_to_bank", "accuracy/bank", "features/std/narrow"}
    assert expected | {"projections/effective_rank/broad_audio"} <= tags


@pytest.mark.long
def test_what_no_gradient_trains_is_saved(model_dir):
    objective = recipe.load_run(str(model_dir)).objective
    fresh = recipe.bound(recipe.Recipe).build(0)
    assert objective.bank.shape == (8, 16)
    assert np.abs(objective.bank - fresh.bank).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(objective.bank, axis=-1), 1, rtol=1e-5)


def test_its_loss_is_infonce_in_numpy():
    rng = np.random.default_rng(0)
    objective = bank_contrast.BankContrast(
        {"narrow": dense_backbone(4, 3), "broad_audio": dense_backbone(4, 3)}, bank_size=6
    )
    batch = {view: rng.normal(size=(2, 4)).astype(np.float32) for view in objective.backbones}
    z = {view: objective.embed(view, x).numpy() for view, x in batch.items()}
    z = {view: x / np.linalg.norm(x, axis=-1, keepdims=True) for view, x in z.items()}
    before = objective.bank.numpy()
    same = np.exp(np.sum(z["narrow"] * z["broad_audio"], axis=-1) / 0.1)
    others = np.exp(z["narrow"] @ before.T / 0.1).sum(axis=-1)
    terms = objective.terms(batch, training=True)
    np.testing.assert_allclose(
        terms.losses["narrow_to_bank"], -np.log(same / (same + others)), rtol=1e-4
    )
    np.testing.assert_allclose(
        objective.bank, np.concatenate([z["broad_audio"], before[:4]]), rtol=1e-5
    )
