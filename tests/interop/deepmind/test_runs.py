"""Round trips between runs and checkpoints in the released format."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny_released

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_filter_bank import LogFilterBank
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.interop.deepmind import haiku_file, runs
from brave_tf.interop.deepmind.recipe import released_config
from brave_tf.interop.deepmind.weights import parts, to_haiku
from brave_tf.training import recipe


def without(checkpoint, *prefixes):
    """The checkpoint without the modules that begin with one of `prefixes`."""

    def kept(modules):
        return {path: arrays for path, arrays in modules.items() if not path.startswith(prefixes)}

    params, state = kept(checkpoint.params), kept(checkpoint.state)
    return dataclasses.replace(checkpoint, params=params, state=state)


def with_params(checkpoint, **modules):
    return dataclasses.replace(checkpoint, params={**checkpoint.params, **modules})


@pytest.mark.parametrize("heads", ["shared", "per_view"])
def test_our_weights_survive_the_released_format(tmp_path, heads):
    model_dir = tiny_released.write_run(tmp_path / "run", f"BraVe.heads = '{heads}'")
    runs.export_checkpoint(str(model_dir), str(tmp_path / "a.npy"))
    model, _ = runs.import_checkpoint(str(tmp_path / "a.npy"), str(tmp_path / "imported"))
    assert model.unused == {}
    before = recipe.load_run(str(model_dir))
    after = recipe.load_run(str(tmp_path / "imported"))
    assert before.step == after.step == tiny_released.STEP
    assert after.objective.shared == (heads == "shared")
    ours, theirs = (tf.train.Checkpoint(objective=run.objective) for run in (before, after))
    values = [
        {path: tf.train.load_variable(saved, path) for path, _ in tf.train.list_variables(saved)}
        for saved in (ours.write(str(tmp_path / "1")), theirs.write(str(tmp_path / "2")))
    ]
    values = [{k: v for k, v in each.items() if "OBJECT_GRAPH" not in k} for each in values]
    assert values[0].keys() == values[1].keys()
    assert any("averaging/updates" in path for path in values[0])
    for path, value in values[0].items():
        assert np.asarray(value).tobytes() == np.asarray(values[1][path]).tobytes(), path


def test_a_released_checkpoint_survives_ours(tmp_path):
    checkpoint = tiny_released.make_checkpoint()
    haiku_file.write(str(tmp_path / "a.npy"), checkpoint)
    runs.import_checkpoint(str(tmp_path / "a.npy"), str(tmp_path / "imported"))
    runs.export_checkpoint(str(tmp_path / "imported"), str(tmp_path / "b.npy"))
    again = haiku_file.read(str(tmp_path / "b.npy"))
    tiny_released.assert_equal(again, checkpoint)
    assert again.config == tiny_released.CONFIG
    # And plain numpy reads it, as the released code does.
    content = np.load(tmp_path / "b.npy", allow_pickle=True).item()
    assert set(content) == {"params", "state", "config"}


def test_views_and_windows_are_those_of_the_checkpoint(tmp_path):
    model = runs.build(tiny_released.make_checkpoint())
    narrow, broad = model.recipe.views["narrow"], model.recipe.views["broad_audio"]
    assert (narrow.shape, narrow.frame_step, narrow.frame_rate) == ((4, 16, 16, 3), 1, 10.0)
    assert (broad.duration, broad.sample_rate, broad.shape[1]) == (0.8, 16000, 16)
    assert model.objective.loss_scale == 0.5
    assert model.step == tiny_released.STEP


def test_the_narrow_view_alone_is_no_run(tmp_path):
    checkpoint = without(tiny_released.make_checkpoint(), "broad_audio", "shared_project")
    haiku_file.write(str(tmp_path / "a.npy"), checkpoint)
    model, signatures = runs.import_checkpoint(str(tmp_path / "a.npy"), str(tmp_path / "imported"))
    assert model.objective is None
    assert set(signatures) == {"narrow", "narrow_uint8", "narrow_frames"}
    assert not (tmp_path / "imported" / "checkpoints").exists()
    assert (tmp_path / "imported" / "config.gin").exists()


def test_two_channels_are_flow():
    checkpoint = tiny_released.make_checkpoint()
    flow, state = {}, {}
    for collection, target in ((checkpoint.params, flow), (checkpoint.state, state)):
        for path, arrays in collection.items():
            if path.startswith("narrow_video_embedding"):
                target[path.replace("narrow_video", "broad_video")] = dict(arrays)
    stem = "broad_video_embedding/TSMResNetV2/tsm_resnet_stem"
    flow[stem]["w"] = flow[stem]["w"][:, :, :2]
    both = dataclasses.replace(
        checkpoint, params={**checkpoint.params, **flow}, state={**checkpoint.state, **state}
    )
    model = runs.build(both)
    assert model.recipe.views["broad_flow"].shape == (2, 112, 112, 2)
    np.testing.assert_array_equal(
        model.models["broad_flow"].get_layer("stem_conv").kernel, flow[stem]["w"]
    )


def test_heads_that_take_other_features_serve_the_views_that_they_fit():
    wide = tiny_released.make_checkpoint(
        "BraVe.heads = 'per_view'", "narrow/tsm_resnet.width_multiplier = 0.25"
    )
    modules = {"broad_audio_project": "shared_project", "narrow_project": "shared_project_1"}

    def renamed(collection):
        for old, new in modules.items():
            collection = {path.replace(old, new): a for path, a in collection.items()}
        return collection

    checkpoint = dataclasses.replace(wide, params=renamed(wide.params), state=renamed(wide.state))
    model = runs.build(checkpoint)
    assert not model.objective.shared
    assert model.heads.modules == {"broad_audio": "shared_project"}
    assert set(model.unused) == {"shared_project_1"}
    got = to_haiku(parts(model.objective))[0]
    np.testing.assert_array_equal(
        got["broad_audio_project/projector/linear"]["w"],
        checkpoint.params["shared_project/projector/linear"]["w"],
    )
    batch = {"narrow": tf.ones((2, 2, 16, 16, 3)), "broad_audio": tf.ones((2, 20, 16))}
    losses = model.objective.terms(batch, training=True).losses
    assert all(np.all(np.isfinite(values)) for values in losses.values())


def test_what_is_not_used_is_counted():
    copies = {
        "shared_project_1/projector/linear": {"w": np.zeros((4, 3))},
        "other": {"b": np.ones(2)},
    }
    model = runs.build(with_params(tiny_released.make_checkpoint(), **copies))
    assert model.unused == {"other": 2, "shared_project_1": 12}


def test_checkpoints_that_do_not_fit_are_named():
    checkpoint = tiny_released.make_checkpoint()
    conv = "narrow_video_embedding/TSMResNetV2/tsm_resnet_unit_2/block_1/conv_0"
    wrong = with_params(checkpoint, **{conv: {"w": np.zeros((3, 3, 32, 31), np.float32)}})
    with pytest.raises(UserError, match=rf"{conv}/w has shape \(3, 3, 32, 31\).*\(3, 3, 32, 32\)"):
        runs.build(wrong)
    with pytest.raises(UserError, match="no backbone of BraVe.*shared_project"):
        runs.build(without(checkpoint, "narrow", "broad"))
    with pytest.raises(UserError, match=r"\[2, 2, 2, 1\] blocks"):
        short = "narrow_video_embedding/TSMResNetV2/tsm_resnet_unit_3/block_1"
        runs.build(without(checkpoint, short))
    with pytest.raises(UserError, match="config.fft_step is not a number above 0"):
        runs.build(dataclasses.replace(checkpoint, config={"fft_step": "import os"}))


def test_names_of_modules_do_not_reach_the_recipe():
    checkpoint = tiny_released.make_checkpoint()
    hostile = "x'}\nimport antigravity\n#_embedding"
    stem = "narrow_video_embedding/TSMResNetV2/tsm_resnet_stem"
    copy = {f"{hostile}/TSMResNetV2/tsm_resnet_stem": checkpoint.params[stem]}
    model = runs.build(with_params(checkpoint, **copy))
    assert [backbone.view for backbone in model.backbones] == ["narrow", "broad_audio"]
    assert hostile in model.unused


def test_models_that_the_released_code_does_not_have_are_named(tmp_path):
    bindings = (
        "import brave_tf.models.tsm_light",
        "BraVe.heads = 'per_view'",
        "BraVe.backbones = {'narrow': @tsm_light(), 'broad_audio': @broad_audio/audio_resnet()}",
    )
    with pytest.raises(UserError, match="stem has no counterpart"):
        to_haiku(parts(tiny_released.make_objective(*bindings)))
    with pytest.raises(UserError, match="name a .npy file"):
        runs.export_checkpoint(str(tmp_path), str(tmp_path / "a"))


def test_sound_that_the_released_code_does_not_hear_is_named():
    views = {"narrow": RgbView(), "broad_audio": AudioView(log_mel=LogFilterBank())}
    with pytest.raises(UserError, match="the released code has no LogFilterBank"):
        released_config(views, types.SimpleNamespace(broad=["broad_audio"]))
