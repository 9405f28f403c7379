"""MMV against a loop over clips."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.models.heads import mlp_head
from brave_tf.objectives.mmv import MMV

CLIPS, TEXTS, T = 5, 3, 0.2
RNG = np.random.default_rng(0)
BATCH = {view: RNG.normal(size=(CLIPS, 4)).astype(np.float32) for view in ("narrow", "broad_audio")}
BATCH["text"] = RNG.normal(size=(CLIPS, TEXTS, 4)).astype(np.float32)
BATCH["label"] = np.zeros(CLIPS, np.int64)


def make(views=("narrow", "broad_audio", "text"), **options):
    tf.keras.utils.set_random_seed(0)
    heads = {
        name: functools.partial(mlp_head, widths=(size,))
        for name, size in (
            ("video_head", 6),
            ("audio_head", 6),
            ("joint_head", 3),
            ("text_head", 3),
        )
    }
    backbones = {view: dense_backbone(4, 5) for view in views}
    return MMV(backbones, **{**heads, "temperature": T, **options})


def unit(x):
    x = np.asarray(x)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def expected(objective, term, loss, has):
    """Terms of each clip, 0 where it has no sound or text."""
    features = {view: np.asarray(x) for view, x in objective(BATCH).items()}
    video = objective.heads["narrow"](features["narrow"])
    view = "broad_audio"
    if term == "video_text":
        video, view = objective.joint_head(video), "text"
    other = unit(objective.heads[view](features[view])).reshape(CLIPS, -1, video.shape[-1])
    m = np.exp(np.einsum("id,jld->ijl", unit(video), other) / T).sum(-1)
    found = []
    for i in range(CLIPS):
        to_others = sum(m[i, j] for j in range(CLIPS) if has[j])
        from_videos = sum(m[j, i] for j in range(CLIPS))
        if loss == "asymmetric":
            value = -np.log(m[i, i] / (to_others + from_videos))
        else:
            value = -np.log(m[i, i] / to_others) - np.log(m[i, i] / from_videos)
        found.append(value * CLIPS / sum(has) if has[i] else 0.0)
    return found


@pytest.mark.parametrize("loss", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("has", [[1, 1, 1, 1, 1], [1, 0, 1, 0, 1]])
def test_terms_are_those_of_a_loop(loss, has):
    objective = make(loss=loss)
    mask = np.array(has, np.float32)
    terms = objective.terms({**BATCH, "broad_audio_mask": mask, "text_mask": mask}, training=True)
    for term, got in terms.losses.items():
        np.testing.assert_allclose(got, expected(objective, term, loss, has), rtol=1e-4)


@pytest.mark.parametrize("loss", ["asymmetric", "symmetric"])
def test_a_batch_without_any_sound_is_a_step_of_nothing(loss):
    objective = make(("narrow", "broad_audio"), loss=loss)
    objective.compile(tf.keras.optimizers.SGD(1.0))
    before = objective.get_weights()
    logs, _ = objective.train_step({**BATCH, "broad_audio_mask": np.zeros(CLIPS, np.float32)})
    assert logs["loss"] == 0
    for one, two in zip(before, objective.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_the_loss_is_the_mean_by_weights():
    objective = make(weights={"video_audio": 3.0, "video_text": 1.0})
    objective.compile(tf.keras.optimizers.SGD(0.0))
    logs, _ = objective.train_step(BATCH)
    mean = 0.75 * logs["loss/video_audio"] + 0.25 * logs["loss/video_text"]
    np.testing.assert_allclose(logs["loss"], mean, rtol=1e-6)


@pytest.mark.parametrize("other", ["broad_audio", "text"])
def test_one_of_sound_and_text_is_enough(other):
    objective = make(("narrow", other))
    assert objective.term_names == [{"broad_audio": "video_audio", "text": "video_text"}[other]]

    assert set(objective(BATCH)) == {"narrow", other}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"views": ("narrow",)}, "MMV.backbones"),
        ({"views": ("narrow", "broad_video")}, "MMV.audio"),
        ({"views": ("broad_audio", "text")}, "MMV.backbones"),
        ({"temperature": 0.0}, "MMV.temperature = 0.0"),
        ({"loss": "both"}, "MMV.loss = 'both'"),
        ({"weights": {"video_audio": 1.0}}, "video_text"),
        ({"weights": {"video_audio": 0.0, "video_text": 0.0}}, "MMV.weights"),
        ({"audio_head": functools.partial(mlp_head, widths=(7,))}, "MMV.audio_head has 7"),
        ({"text_head": functools.partial(mlp_head, widths=(7,))}, "MMV.text_head has 7"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(errors.UserError, match=words):
        make(**options)
