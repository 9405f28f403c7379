"""How often a run has warned."""

import logging

from absl import logging as absl_logging

from brave_tf.training.monitors.advice import Advice
from brave_tf.training.warning_count import counted_warnings


def test_warnings_are_counted_whoever_gives_them():
    advice = Advice()
    absl_logging.warning("before")
    with counted_warnings() as warnings:
        assert advice.summary(warnings.count) == "no warnings"
        absl_logging.info("nothing to count")
        absl_logging.warning("a checkpoint is damaged")
        assert advice.summary(warnings.count) == "1 warning above"
        absl_logging.error("and another")
        assert advice.summary(warnings.count) == "2 warnings above"
        advice.give("input", "it waits")
        assert advice.summary(warnings.count) == "warned about: input; 2 other warnings above"
    absl_logging.warning("after")
    assert warnings.count == 3
    assert warnings not in logging.getLogger("absl").handlers
