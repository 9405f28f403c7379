"""Bindings that would do nothing are errors; what is trusted keeps working."""

import gin
import pytest

from brave_tf import config, errors
from brave_tf.configuration import recipe_header, trust


@gin.configurable("sample_of_checks")
def sample(width=1, sizes=None):
    return {"width": width, "sizes": sizes}


@gin.configurable("whole_of_checks")
def whole(parts=()):
    return parts


def refused(bindings, *files):
    with pytest.raises(errors.UserError) as caught:
        config.load_config(files or ["as_v_fa"], bindings)
    return str(caught.value)


WITHOUT_EFFECT = {
    "a misspelt macro": (["NAROW_SIZE = 16"], ["NAROW_SIZE", "Did you mean NARROW_SIZE"]),
    "a macro that another recipe uses": (["BROAD_VIDEO_BACKBONE = 1"], ["BROAD_VIDEO_BACKBONE"]),
    "a macro of such a macro": (["A_MACRO = 1", "BROAD_VIDEO_BACKBONE = %A_MACRO"], ["A_MACRO"]),
    "a misspelt scope": (["naroow/RgbView.size = 8"], ["'naroow'", "Did you mean narrow"]),
    "a scope of another view": (["broad_video/RgbView.size = 8"], ["'broad_video'", "broad_flow"]),
    "a scope without this part": (["broad_flow/RgbView.size = 8"], ["narrow/RgbView only"]),
    "a scope in a scope": (["narrow/broad_flow/RgbView.size = 8"], ["narrow/RgbView only"]),
    "settings in a scope": (["narrow/train.batch_size = 8"], ["bind train.batch_size"]),
    "heads in a scope": (["narrow/projector.hidden = 8"], ["bind projector.hidden"]),
    "an augmentation in a scope that its reference has not": (
        ["narrow/random_flip.probability = 1.0"],
        ["refer to @narrow/random_flip"],
    ),
    "all views, bound one by one": (["RgbView.size = 8"], ["narrow/RgbView.size is bound"]),
}


@pytest.mark.parametrize("case", WITHOUT_EFFECT)
@pytest.mark.parametrize("place", ["command line", "file", "overlay"])
def test_a_binding_without_effect_is_an_error(case, place, tmp_path):
    bindings, parts = WITHOUT_EFFECT[case]
    own = tmp_path / "own.gin"
    own.write_text("\n".join(["include 'as_v_fa.gin'"] * (place == "file") + bindings) + "\n")
    files = {"command line": ["as_v_fa"], "file": [own], "overlay": ["as_v_fa", own]}[place]
    message = refused(bindings if place == "command line" else [], *map(str, files))
    assert "would have no effect" in message
    for part in [*parts, "--gin_bindings=" if place == "command line" else "own.gin, line "]:
        assert part in message


def test_a_macro_that_the_recipe_replaces_is_an_error():
    # The demo binds the sizes themselves.
    assert "NARROW_SIZE" in refused(["NARROW_SIZE = 16"], "demo_v_fa")
    config.load_config(["demo_v_fa"], ["STEPS = 16"])
    assert gin.query_parameter("%STEPS") == 16


def test_an_overlay_of_the_package_over_another_is_named_by_its_recipe():
    assert "NAROW_SIZE" in refused(["NAROW_SIZE = 16"], "as_v_fa", "gin/overlays/tiny.gin")


@pytest.mark.parametrize("overlay", ["tiny", "laptop"])
def test_overlays_of_the_package_go_with_every_recipe(overlay):
    for name in recipe_header.names():
        config.load_config([name, f"gin/overlays/{overlay}.gin"])


ENDLESS = {
    "a macro of itself": "A = %A\nsample_of_checks.width = %A",
    "macros of each other": "A = %B\nB = [%A]\nwhole_of_checks.parts = {'a': %B}",
    "a call of itself": "sample_of_checks.width = @sample_of_checks()",
    "a call of a call": "whole_of_checks.parts = [@a/sample_of_checks()]\n"
    "a/sample_of_checks.width = @whole_of_checks()",
    "a call through a macro": "A = @sample_of_checks()\nsample_of_checks.width = [%A]",
}


@pytest.mark.parametrize("case", ENDLESS)
@pytest.mark.parametrize("model", [False, True])
def test_what_refers_to_itself_is_an_error(case, model, tmp_path, monkeypatch):
    own = tmp_path / "own.gin"
    own.write_text(ENDLESS[case] + "\n")
    monkeypatch.setattr(trust, "_named", {__name__})
    with pytest.raises(errors.UserError, match="refers to itself") as caught:
        config.load_config([] if model else [str(own)], model=str(own) if model else None)
    assert str(own) in str(caught.value)


def test_a_call_in_a_scope_that_binds_otherwise_ends():
    config.load_config(
        [], ["sample_of_checks.width = @a/sample_of_checks()", "a/sample_of_checks.width = 3"]
    )
    assert sample()["width"] == {"width": 3, "sizes": None}


OWN = {
    "a macro that is used": "SIZE = 3\nsample_of_checks.width = %SIZE",
    "used before it is bound": "sample_of_checks.width = %SIZE\nSIZE = 3",
    "a macro of a macro": "ONE = 3\nTWO = %ONE\nsample_of_checks.width = %TWO",
    "in a container": "ONE = 3\nwhole_of_checks.parts = {'a': [(%ONE,)], %ONE: 4}",
    "as a reference": "ONE = 3\nsample_of_checks.width = @ONE/macro()",
    "all, and one of them": "sample_of_checks.width = 3\na/sample_of_checks.width = 4\n"
    "whole_of_checks.parts = [@a/sample_of_checks()]",
    "a scope within another": "a/sample_of_checks.width = 4\n"
    "whole_of_checks.parts = [@a/b/sample_of_checks()]",
    "in a scope that is inherited": "a/sample_of_checks.width = 4\n"
    "a/sample_of_checks.sizes = None\n"
    "sample_of_checks.sizes = [@a/whole_of_checks()]\n"
    "whole_of_checks.parts = [@sample_of_checks()]",
    "an augmentation in the scope of its reference": "import brave_tf.data.augment.random_flip\n"
    "whole_of_checks.parts = [@a/random_flip]\na/random_flip.probability = 1.0",
    "of what is called directly": "sample_of_checks.width = 4",
}


@pytest.mark.parametrize("case", OWN)
def test_what_has_an_effect_is_taken(case, tmp_path):
    (tmp_path / "own.gin").write_text(OWN[case] + "\n")
    config.load_config([str(tmp_path / "own.gin")])
    config.load_config([], OWN[case].split("\n"))


def test_what_later_bindings_replace_had_an_effect_when_it_was_bound(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("SIZE = 3\nsample_of_checks.width = %SIZE\n")
    config.load_config([str(own)], ["sample_of_checks.width = 4", "sample_of_checks.width = 5"])
    assert sample()["width"] == 5
    assert "SIZE" in refused(["sample_of_checks.width = 4", "SIZE = 5"], str(own))


@pytest.mark.parametrize("own", ["train.batch_size = 64", "NARROW_SIZE = 64"])
def test_a_recipe_that_comes_after_a_binding_and_replaces_it_is_an_error(own, tmp_path):
    path = tmp_path / "own.gin"
    path.write_text(f"import brave_tf.training.settings\n{own}\ninclude 'as_v_fa.gin'\n")
    message = refused([], str(path))
    assert "own.gin, line 2" in message and "fragments/" in message
    path.write_text(f"import brave_tf.training.settings\n{own}\n")
    assert "own.gin, line 2" in refused([], str(path), "as_v_fa")
    # After a recipe, an overlay is meant to win.
    path.write_text(f"include 'as_v_fa.gin'\n{own}\n")
    config.load_config([str(path), "gin/overlays/tiny.gin"])
    assert gin.query_parameter("train.batch_size") == 2


UNUSED = {
    "another optimizer": (
        "as_v_fa",
        "import brave_tf.training.optimizers.adam",
        "adam.beta_1 = 0.8",
    ),
    "another backbone": ("as_v_fa", "import brave_tf.models.r3d", "r3d.depth = 18"),
    "another objective": ("demo_supervised", "", "BraVe.loss_scale = 1.0"),
    "a view that is not there": ("as_v_a", "import brave_tf.data.views.flow", "FlowView.size = 8"),
    "a schedule": ("as_v_fa", "", "piecewise.values = [1.0]"),
}


@pytest.mark.parametrize("case", UNUSED)
def test_parts_that_a_run_does_not_use_are_not_bound_for_training(case):
    recipe, imported, binding = UNUSED[case]
    bindings = [*filter(None, [imported]), binding]
    with pytest.raises(errors.UserError, match="the recipe does not use"):
        config.load_config([recipe], bindings, for_training=True)
    # An evaluation may have parts of its own.
    config.load_config([recipe], bindings)


def test_parts_that_a_run_uses_may_be_bound_for_training(tmp_path):
    used = ["lars.momentum = 0.8", "warmup_cosine.peak = 0.5", "BraVe.loss_scale = 1.0"]
    used += ["tsm_resnet.width_multiplier = 0.5", "projector.hidden = 64"]
    config.load_config(["as_v_fa"], used, for_training=True)
    # Bound after it was chosen, or before, as part of the same change.
    other = [
        "import brave_tf.training.optimizers.sgd",
        "sgd.momentum = 0.5",
        "train.optimizer = @sgd",
    ]
    config.load_config(["as_v_fa"], [*other, "sgd.learning_rate = 0.1"], for_training=True)
    # Of an own recipe, of which something is exchanged.
    own = tmp_path / "own.gin"
    own.write_text("include 'as_v_fa.gin'\nlars.momentum = 0.8\ntsm_resnet.depth = 18\n")
    config.load_config([str(own)], [*other, "sgd.learning_rate = 0.1"], for_training=True)
    with pytest.raises(errors.UserError, match="lars.momentum would have no effect"):
        config.load_config([str(own)], [*other, "lars.momentum = 0.7"], for_training=True)
    for name in recipe_header.names():
        config.load_config([name, "gin/overlays/tiny.gin"], ["STEPS = 2"], for_training=True)
