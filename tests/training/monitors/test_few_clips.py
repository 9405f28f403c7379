"""The warning about few clips that a run will see very often."""

import types

import pytest
import tiny_run

from brave_tf import config, errors
from brave_tf.configuration import recipe_header
from brave_tf.training import run
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.few_clips import FewClipsWatch
from brave_tf.training.recipe import bound
from brave_tf.training.settings import Settings


def warned(trained_on, steps, batch_size, **numbers):
    """Returns what a run is warned about as it begins."""
    settings = types.SimpleNamespace(num_steps=steps, batch_size=batch_size)
    inputs = types.SimpleNamespace(settings=settings, num_clips=lambda: trained_on)
    moment = types.SimpleNamespace(inputs=inputs, advice=Advice())
    watch = FewClipsWatch(**numbers)
    watch.begin(moment)
    assert not watch.due(moment)
    return moment.advice.given


@pytest.mark.parametrize(
    ("clips", "steps", "batch_size", "expected"),
    [
        (100, 1000, 32, ["few clips"]),
        (85, 1000, 32, ["few clips"]),
        (1999, 300_000, 512, ["few clips"]),
        (6000, 600, 64, []),
        (2000, 300_000, 512, []),
        (160, 1000, 32, []),
        (12, 6, 4, []),
        (None, 300_000, 512, []),
        (0, 1000, 32, []),
    ],
)
def test_few_clips_that_are_seen_very_often(clips, steps, batch_size, expected):
    assert warned(clips, steps, batch_size) == expected


# Clips for training: Kinetics-400, Kinetics-600 and AudioSet, fewer than there are.
CLIPS = {"k400": 200_000, "k600": 350_000, "as": 1_500_000}


@pytest.mark.parametrize("name", recipe_header.rows())
def test_recipes_of_the_paper_are_not_warned_about_on_their_data(name):
    config.load_config([name])
    settings = bound(Settings)
    clips = CLIPS[name.split("_")[0]]
    assert settings.num_steps * settings.batch_size / clips > 100
    assert not warned(clips, settings.num_steps, settings.batch_size)


def test_the_numbers_can_be_bound():
    assert warned(100, 1000, 32, passes=400.0) == []
    assert warned(100, 1000, 32, clips=100) == []
    assert warned(5000, 1000, 32, clips=10_000, passes=1) == ["few clips"]
    for name in ("clips", "passes"):
        with pytest.raises(
            errors.UserError, match=f"FewClipsWatch.{name} = -1: expected 0 or more"
        ):
            FewClipsWatch(**{name: -1})


def test_a_run_says_so_before_its_first_step_and_at_its_end(tmp_path, capsys, caplog):
    records = tiny_run.write_records(tmp_path / "records")
    extra = "import brave_tf.training.monitors.few_clips\nFewClipsWatch.passes = 1.9"
    config.load_config([str(tiny_run.write_recipe(tmp_path, records, extra))])
    assert run.train(str(tmp_path / "run"))
    (said,) = [text for text in caplog.messages if "each of the" in text]
    assert "each of the 12 clips will be seen 2 times, in 6 steps of 4" in said
    assert "train.held_out_every" in said
    assert "warned about: few clips" in capsys.readouterr().out
