"""Progress lines where there is no terminal, the bar where there is one."""

import io

import pytest

from brave_tf.process import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then_with_rate_and_time_left(clock):
    file = io.StringIO()
    with progress.Progress(100, "work", "files", done=20, file=file) as counter:
        clock[0] = 5.0
        counter.add(10)
        assert file.getvalue() == ""
        clock[0] = 10.0
        counter.add(10, failed=1)
    assert file.getvalue() == "work: 40/100 files, 2.0 per second, 00:30 left, 1 failed\n"


def test_a_line_that_cannot_be_written_does_not_end_the_work(clock):
    with open("/dev/full", "wb", buffering=0) as full:
        file = io.TextIOWrapper(full, write_through=True)
        with progress.Progress(3, "work", file=file) as counter:
            clock[0] = 10.0
            counter.add(3)


def test_no_time_left_without_a_total(clock):
    file = io.StringIO()
    with progress.Progress(None, "work", file=file) as counter:
        clock[0] = 10.0
        counter.add(30)
    assert file.getvalue() == "work: 30 clips, 3.0 per second\n"


def test_a_bar_on_a_terminal():
    file = Terminal()
    with progress.Progress(4, "work", "files", file=file) as counter:
        counter.add(4, failed=2)
    assert "work: 100%" in file.getvalue()
    assert "4/4" in file.getvalue()
    assert "2 failed" in file.getvalue()
