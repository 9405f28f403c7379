"""The time for which a process has waited, without that in which it was stopped."""

from brave_tf.process import patience


def test_time_in_which_nobody_looked_does_not_count(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    clock = patience.Clock(most=2.0)
    assert clock.now() == 0.0
    for seconds, expected in ((1.5, 1.5), (2.0, 3.5), (3600.0, 5.5), (0.25, 5.75)):
        now[0] += seconds
        assert clock.now() == expected
    assert clock.now() == 5.75
