"""The monitor of examples/: a chart of one's own, in runs that begin, resume and do without it."""

import pathlib

import numpy as np
import pytest
import tiny_run

import brave_tf
from brave_tf import config, errors
from brave_tf.configuration import trust
from brave_tf.training import recipe, run
from brave_tf.training.event_files import read_events

FOLDER = config.RECIPE_DIR.parent / "examples" / "plugin"
NORMS = FOLDER / "norms.gin"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def charted(folder):
    """Tag -> step -> number of the charts of the plug-in, each step once."""
    points = {}
    for event in read_events(folder / "tensorboard" / "train"):
        for value in event.summary.value:
            if value.tag.startswith("norms/"):
                steps = points.setdefault(value.tag[len("norms/") :], {})
                assert event.step not in steps
                steps[event.step] = float(np.frombuffer(value.tensor.tensor_content, np.float32))
    return points


def test_it_charts_norms_at_its_steps_and_comes_and_goes_by_the_gin_file_alone(
    tmp_path, monkeypatch
):
    data = tiny_run.write_records(tmp_path / "data")
    plain, folder = tiny_run.write_recipe(tmp_path, data), tmp_path / "run"

    def train(gin_files, *bindings):
        config.load_config(list(map(str, gin_files)), bindings, for_training=True)
        assert run.train(str(folder))
        return {view: list(steps) for view, steps in charted(folder).items()}

    assert train([plain], "train.num_steps = 2") == {}
    every_2 = "BackboneNorms.every_steps = 2"
    assert train([plain, NORMS], "train.num_steps = 5", every_2) == {
        view: [4, 5] for view in ("narrow", "broad_audio")
    }
    # Another rhythm changes nothing that is learned.
    more = train([plain, NORMS], "train.num_steps = 7", "BackboneNorms.every_steps = 3")
    assert more == {view: [4, 5, 6, 7] for view in ("narrow", "broad_audio")}
    for view, backbone in recipe.load_run(str(folder)).objective.backbones.items():
        squares = sum((weight.numpy() ** 2).sum() for weight in backbone.trainable_weights)
        np.testing.assert_allclose(charted(folder)[view][7], np.sqrt(squares), rtol=1e-5)

    monkeypatch.setattr(trust, "_named", set())
    with pytest.raises(errors.UserError, match="--trust=brave_tf_norms"):
        config.load_config([], model=str(folder / "config.gin"))
    trust.allow(["brave_tf_norms"])
    config.load_config([], model=str(folder / "config.gin"))

    assert train([plain], "train.num_steps = 8") == more
    config.load_config([], model=str(folder / "config.gin"))


def test_nothing_in_the_package_knows_of_it():
    sources = pathlib.Path(brave_tf.__file__).parent.rglob("*.py")
    texts = [path.read_text() for path in sources]
    assert len(texts) > 100
    assert not any("brave_tf_norms" in text or "BackboneNorms" in text for text in texts)


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["train.monitors = [@BackboneNorms()]"], r"Write train.monitors = \[@BackboneNorms\]"),
        (["train.monitors = @BackboneNorms"], r"Write train.monitors = \[@BackboneNorms\]"),
        (["train.monitors = [@lars]"], r"each a reference to what makes Monitor, such as @"),
        (["x/BackboneNorms.at_end = False"], "no reference uses the scope 'x'"),
    ],
)
def test_mistakes_with_it_are_named(bindings, message):
    with pytest.raises(errors.UserError, match=message):
        config.load_config(["v_a", str(NORMS)], bindings, for_training=True)


def test_what_is_bound_for_it_has_no_effect_unless_it_is_named():
    bound = ["import brave_tf_norms", "BackboneNorms.every_steps = 5"]
    with pytest.raises(errors.UserError, match="every_steps would have no effect: the recipe does"):
        config.load_config(["v_a"], bound, for_training=True)
    config.load_config(["v_a"], [*bound, "train.monitors = [@BackboneNorms]"], for_training=True)
    # The file has named it, which the command line then takes back.
    config.load_config(["v_a", str(NORMS)], ["train.monitors = ()"], for_training=True)


def test_one_that_a_scope_binds_is_used():
    named = "train.monitors = [@BackboneNorms, @x/BackboneNorms]"
    config.load_config(["v_a", str(NORMS)], [named, "x/BackboneNorms.at_end = False"], True)
