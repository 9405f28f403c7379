"""The steps that --profile names."""

import pytest

from brave_tf import errors
from brave_tf.training.monitors.profile import Profile, parse_steps


def test_steps_are_first_and_last():
    assert parse_steps("100:105") == (100, 105)
    assert parse_steps("1:1") == (1, 1)


@pytest.mark.parametrize("text", ["100", "5:4", "0:3", "1:51", "a:b", "1:2:3"])
def test_mistakes_are_named(text):
    with pytest.raises(errors.UserError, match=f"--profile={text}: expected FIRST:LAST"):
        parse_steps(text)


def test_a_run_that_ends_before_the_last_step_writes_what_there_is(tmp_path, capsys):
    profile = Profile(tmp_path, 2, 10)
    for step in (1, 2, 3):
        profile.before_step(step)
        profile.after_step(step, last=step == 3)
    assert list(tmp_path.glob("plugins/profile/*/*.xplane.pb"))
    assert capsys.readouterr().out == f"profile of steps 2 to 3: {tmp_path}\n"
