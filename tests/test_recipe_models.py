"""The models of the recipes: at full size they build, at the smallest they train, compiled with XLA."""

import dataclasses
import re

import gin
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
from of_a_kind import some_long

from brave_tf import config
from brave_tf.configuration import recipe_header
from brave_tf.training import stages
from brave_tf.training.inputs import Inputs
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

# Millions of parameters with moving statistics; flow has one input channel less, 3,136 weights.
TSM50, TSM50_X2, R3D50, AUDIO50 = 23.55, 93.92, 31.72, 23.54
SLOW50, S3D_G, S3D = 31.69, 9.12, 7.93
AVID18, AVID_AUDIO, R2PLUS1D50, R2PLUS1D18, AUDIO9 = 15.39, 4.73, 46.23, 31.32, 4.90
# Of views, of runs and their length, and comments.
OTHER_BINDINGS = re.compile(
    r"#|import |train\.|(.+/)?(Rgb|Flow|FlowPicture|Audio)View\.|[A-Z_]+ = [\d.'].*"
)


def backbones_of(name):
    """Millions of parameters of each distinct backbone of a row."""
    if "coclr" in name:
        return [S3D] * 2
    if name in recipe_header.peers():
        if "gdt" in name:
            return [R2PLUS1D18, AUDIO9]
        if "avid" in name or "cma" in name:
            return [R2PLUS1D50 if "r2plus1d50" in name else AVID18, AVID_AUDIO]
        return [R3D50 if "cvrl" in name else S3D_G if "s3d" in name else SLOW50]
    video = R3D50 if "r3d50" in name else TSM50_X2 if "x2" in name else TSM50
    words = name.split("_")
    views = words[words.index("v") + 1]
    return [video] * len(set(views.replace("a", "")) | {"narrow"}) + [AUDIO50] * ("a" in views)


def load(name, *overlays, bindings=()):
    config.load_config([name, *overlays], bindings)
    return bound(Recipe), bound(Settings)


def load_first(name, *overlays):
    """The recipe, or the first of its stages."""
    staged = stages.read_stages([name, *overlays], [])
    if staged is None:
        return load(name, *overlays)
    staged.load(staged.stages[0])
    return bound(Recipe), bound(Settings)


def networks():
    """The loaded bindings but for those of views and runs: equal ones make equal networks."""
    bindings = gin.config_str(max_line_length=10_000).splitlines()
    return tuple(line for line in bindings if line and not OTHER_BINDINGS.match(line))


def projector_of(objective, view):
    """Of the view, of its modality, or of all views where the objective has one alone."""
    keys = (view, "broad_audio", "audio") if "audio" in view else (view, "narrow", "video")
    for name in ("projectors", "heads"):
        models = getattr(objective, name, {})
        found = [models[key] for key in keys if key in models]
        if found:
            return found[0]
    return objective.projector


@pytest.fixture(scope="module")
def sizes():
    """Tells millions of parameters and shapes of a recipe, building those with the same networks once."""
    told = {}

    def of(recipe, settings):
        if networks() not in told:
            objective = recipe.build(settings.seed)
            distinct = {id(backbone): backbone for backbone in objective.backbones.values()}
            millions = sorted(backbone.count_params() / 1e6 for backbone in distinct.values())
            shapes = {
                view: (
                    backbone.input_shape,
                    backbone.output_shape,
                    objective.feature_size(view),
                    projector_of(objective, view).output_shape,
                )
                for view, backbone in objective.backbones.items()
            }
            told[networks()] = millions, shapes
        return told[networks()]

    return of


def check_full_size(name, sizes):
    # A bank has a row for each clip, of which there may be millions.
    few = ["NUM_CLIPS = 64"] if "avid" in name or "cma" in name else []
    recipe, settings = load(name, bindings=few)
    millions, shapes = sizes(recipe, settings)
    assert set(shapes) == set(recipe.views)
    for view, (clips, features, feature_size, projection) in shapes.items():
        assert features == (None, feature_size)
        assert len(clips) == len(recipe.views[view].shape) + 1
        assert clips[-1] in (None, recipe.views[view].shape[-1])
        assert projection == (None, 256 if "rho_byol" in name or "gdt" in name else 128)
    np.testing.assert_allclose(millions, sorted(backbones_of(name)), rtol=2e-3)


def test_as_v_fa_builds_at_full_size(sizes):
    check_full_size("as_v_fa", sizes)


@pytest.mark.parametrize(
    "name",
    some_long(
        sorted(
            {*recipe_header.rows(), *recipe_header.general(), *recipe_header.peers()} - {"as_v_fa"}
        ),
        ["k600_cvrl_r3d50", "k400_rho_byol_r3d50"],
    ),
)
def test_it_builds_at_full_size(name, sizes):
    check_full_size(name, sizes)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Makes the folder of records of noise, with all modalities, whose sound has a rate in Hz."""
    folders = {}

    def folder(rate):
        if rate not in folders:
            rng = np.random.default_rng(0)
            pixels = rng.integers(0, 256, (2, 20, 48, 64, 3), dtype=np.uint8)
            images, flow = ([record_fixtures.jpeg(frame) for frame in frames] for frames in pixels)
            sound = rng.normal(0, 0.1, rate).astype(np.float32)
            clips = [
                record_fixtures.record(images, flow, sound, labels=[label], sample_rate=rate)
                for label in range(4)
            ]
            folders[rate] = tmp_path_factory.mktemp(f"records_{rate}")
            settings = {"audio": "float", "fps": 25.0, "sample_rate": rate, "flow": "dis"}
            record_fixtures.write_shards(folders[rate], clips, settings=settings)
        return str(folders[rate])

    return folder


@pytest.fixture(scope="module")
def compiled():
    """Makes the objective of a recipe with a step that XLA compiles, once for those of the same program."""
    programs = {}

    def of(recipe, settings):
        program = networks(), tuple((view, v.shape) for view, v in recipe.views.items())
        if program not in programs:
            objective = recipe.build(settings.seed)
            objective.compile(settings.optimizer(), jit_compile=True)
            programs[program] = objective
        return programs[program]

    return of


@pytest.mark.parametrize(
    "name",
    some_long(
        recipe_header.names(),
        ["as_v_fa", "k600_cvrl_r3d50"],
    ),
)
def test_a_step_under_the_tiny_overlay(name, records, compiled):
    # Later stages of CoCLR want a network that an earlier one has trained.
    first = load_first if "coclr" in name else load
    recipe, settings = first(name, "gin/overlays/tiny.gin")
    rates = [v.sample_rate for v in recipe.views.values() if v.modality == "audio"]
    settings = dataclasses.replace(settings, data_dir=records(rates[0] if rates else 48_000))
    objective = compiled(recipe, settings)
    inputs = Inputs(settings, recipe).asked_by(objective)
    batches = inputs.training(0, tf.distribute.InputContext(), finished=True)
    for occasion in objective.occasions:
        if occasion.views == ():  # It needs no features.
            objective.on_occasion(occasion, None)
    variables = objective.trainable_variables
    multiplied = [v.name for v in variables if objective.optimizer.multiplier(v) != 1.0]
    faster = [] if name in recipe_header.peers() else ["predictor/"]
    assert multiplied == [v.name for v in variables if any(each in v.name for each in faster)]
    step, before = objective.step, [v.numpy() for v in variables]
    logs = objective.fit(batches, steps_per_epoch=2, verbose=0).history
    assert objective.step == step + 2
    assert all(np.isfinite(value).all() for value in logs.values())
    assert {f"loss/{term}" for term in objective.term_names} <= set(logs)
    assert set(objective.seen.clips) == set(recipe.views)
    # Those of a key are a momentum copy's.
    keys = {objective.key} if "coclr" in name else set()
    assert set(objective.seen.features) == set(recipe.views) - keys
    assert all(np.isfinite(v.numpy()).all() for v in variables)
    # Biases before a normalisation have no gradient, and LARS moves zeros by nothing.
    moved = [v.name for v, old in zip(variables, before) if np.any(v.numpy() != old)]
    assert [name for name in moved if "conv" in name]
    assert len(moved) > 0.8 * len(variables)
