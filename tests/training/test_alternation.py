"""The stages of two networks that teach each other."""

import gin
import pytest

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.training import stages
from brave_tf.training.alternation import alternation
from brave_tf.training.settings import Settings

OPTIONS = {"views": ("a", "b"), "alone": ("a.gin", "b.gin"), "taught": ("ab.gin", "ba.gin")}


def told(**options):
    return [
        (each.name, each.recipe, dict(each.begins_with))
        for each in alternation(**{**OPTIONS, **options})
    ]


def test_each_begins_with_the_newest_of_both():
    begins = lambda a, b: {"bank/a": a, "bank/b": b}  # noqa: E731
    assert told(cycles=2, parts=("bank",)) == [
        ("a_alone", "a.gin", {}),
        ("b_alone", "b.gin", {}),
        ("a_1", "ab.gin", begins("a_alone", "b_alone")),
        ("b_1", "ba.gin", begins("a_1", "b_alone")),
        ("a_2", "ab.gin", begins("a_1", "b_1")),
        ("b_2", "ba.gin", begins("a_2", "b_1")),
    ]
    assert [name for name, *_ in told(cycles=0)] == ["a_alone", "b_alone"]
    assert set(told()[2][2]) == {"backbones/a", "backbones/b", "heads/a", "heads/b"}
    # Every stage begins with stages that come before it.
    stages.Stages(stages=alternation(**OPTIONS, cycles=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": ("a", "a")}, "alternation.views = .*expected two names"),
        ({"alone": "a.gin"}, "alternation.alone = 'a.gin'"),
        ({"taught": ("a", "b", "c")}, "alternation.taught"),
        ({"cycles": -1}, "alternation.cycles = -1"),
    ],
)
def test_refuses_what_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        alternation(**{**OPTIONS, **options})


def test_the_configuration_of_a_stage_says_nothing_of_stages():
    staged = stages.read_stages(["ucf101_coclr_s3d"], ["alternation.cycles = 1"])
    assert len(staged.stages) == 4
    staged.load(staged.stages[0])
    text = gin.config_str()
    assert "InfoNCE" in text and "alternation." not in text and "Stages." not in text


def test_what_a_stage_binds_anew_is_to_be_changed_after_the_recipe(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("include 'ucf101_coclr_s3d.gin'\nSTEPS = 10\n")
    staged = stages.read_stages([str(own)], [])
    with pytest.raises(UserError, match=r"STEPS has no effect, for .*coclr_alone.gin"):
        staged.load(staged.stages[0])
    own.write_text("STEPS = 10\n")
    staged = stages.read_stages(["ucf101_coclr_s3d", str(own)], [])
    for stage in staged.stages:
        staged.load(stage)
        assert Settings().num_steps == 10
    assert config.is_bound("CoCLR.top")
