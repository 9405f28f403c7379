"""What differs between two configurations of a run, and what of it may."""

import hostile_configs
import pytest

from brave_tf import errors
from brave_tf.training import config_changes

OLD = """
import some.module as module

# Macros:
# ==============================================================================
STEPS = 600
EVERY = 50

# Parameters for sgd:
# ==============================================================================
sgd.learning_rate = @warmup_cosine()
sgd.momentum = 0.9

# Parameters for warmup_cosine:
# ==============================================================================
warmup_cosine.total_steps = %STEPS

# Parameters for narrow/RgbView:
# ==============================================================================
narrow/RgbView.augmentations = \\
    [@random_flip,
     @random_gray]

# Parameters for train:
# ==============================================================================
train.data_dir = 'data'
train.log_every = %EVERY
train.num_steps = 600
"""


def changed(*pairs):
    text = OLD
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return [str(change) for change in config_changes.changes(OLD, text)], text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("momentum = 0.9", "momentum = 0.95", ["sgd.momentum: 0.9 -> 0.95"]),
        ("momentum = 0.9", "momentum = 0.90", []),
        ("'data'", '"data"', []),
        ("STEPS = 600", "STEPS = 700", ["warmup_cosine.total_steps: 600 -> 700"]),
        ("num_steps = 600", "num_steps = %STEPS", []),
        ("[@random_flip,\n     @random_gray]", "[@random_flip, @random_gray]", []),
        (
            "@random_gray]",
            "@random_color()]",
            [
                "narrow/RgbView.augmentations: [@random_flip, @random_gray] -> "
                "[@random_flip, @random_color()]"
            ],
        ),
        ("train.log_every = %EVERY\n", "", ["train.log_every: 50 -> unset"]),
        ("train.data_dir", "train.seed = 1\ntrain.data_dir", ["train.seed: unset -> 1"]),
        ("narrow/RgbView.augmentations", "wide/RgbView.augmentations", []),
        ("import some.module as module", "", []),
    ],
)
def test_values_are_compared_not_how_they_are_written(old, new, expected):
    assert changed((old, new))[0] == expected


def test_harmless_changes_are_told_and_allowed():
    _, new = changed(("num_steps = 600", "num_steps = 900"), ("'data'", "'moved/data'"))
    told = [str(change) for change in config_changes.check(OLD, new, allow=False)]
    assert told == ["train.data_dir: 'data' -> 'moved/data'", "train.num_steps: 600 -> 900"]


def test_changes_of_what_is_learned_are_named_and_refused_unless_allowed():
    _, new = changed(
        ("0.9", "0.5"), ("STEPS = 600", "STEPS = 1"), ("num_steps = 600", "num_steps = 9")
    )
    with pytest.raises(errors.UserError) as refused:
        config_changes.check(OLD, new, allow=False)
    for part in (
        "sgd.momentum: 0.9 -> 0.5",
        "warmup_cosine.total_steps: 600 -> 1",
        "--allow_changes",
    ):
        assert part in str(refused.value)
    assert "train.num_steps" not in str(refused.value)
    assert len(config_changes.check(OLD, new, allow=True)) == 3


@pytest.mark.parametrize("reference", ["x/Norms", "x/my.module.Norms"])
def test_what_is_bound_for_monitors_is_harmless_and_for_nothing_else(reference):
    old = f"{OLD}train.monitors = [@{reference}]\nx/Norms.every_steps = 5\n"
    new = old.replace("every_steps = 5", "every_steps = 6")
    told = [str(change) for change in config_changes.check(old, new, allow=False)]
    assert told == ["x/Norms.every_steps: 5 -> 6"]
    with pytest.raises(errors.UserError, match="x/Norms.every_steps: 5 -> 6"):
        config_changes.check(*(text.replace("@x/", "@y/") for text in (old, new)), allow=False)


def test_monitors_come_and_go():
    old, new = (f"{OLD}train.monitors = {value}\n" for value in ("[@Norms]", "()"))
    for pair in ((old, new), (new, old)):
        assert len(config_changes.check(*pair, allow=False)) == 1


def test_what_a_new_version_of_the_program_adds_is_allowed():
    _, new = changed(("momentum = 0.9", "momentum = 0.9\nsgd.new_parameter = 3"))
    assert [str(c) for c in config_changes.check(OLD, new, allow=False)] == [
        "sgd.new_parameter: unset -> 3"
    ]


@pytest.mark.parametrize("text", hostile_configs.CONFIGS.values())
def test_what_a_folder_holds_is_compared_and_not_run(tmp_path, monkeypatch, text):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    hostile_configs.write(tmp_path, text)
    config_changes.changes(text, OLD)
    assert not (tmp_path / hostile_configs.MARKER).exists()


def test_processes_of_a_run_differ_in_what_is_of_their_machines_only():
    chief = "STEPS = 6\ntrain.num_steps = %STEPS\ntrain.data_dir = '/a'\nclip_dataset.num_parallel = 8\n"
    same = "train.num_steps = 6\ntrain.data_dir = '/b'\nInputWait.patience = 5.0\n"
    assert config_changes.between_processes(chief, same) == []
    other = "train.num_steps = 6\ntrain.log_every = 3\nscope/sgd.momentum = 0.5\n"
    found = config_changes.between_processes(chief, other)
    assert list(map(str, found)) == [
        "scope/sgd.momentum: unset -> 0.5",
        "train.log_every: unset -> 3",
    ]
