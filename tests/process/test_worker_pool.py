import os
import signal
import subprocess
import sys
import time

import misbehaviour
import pytest

from brave_tf.process import worker_pool
from brave_tf.process.worker_pool import Died, TimedOut, run_in_order


def run(tasks, workers=2, timeout=30.0, function=misbehaviour.do):
    return list(run_in_order(function, tasks, workers=workers, timeout=timeout))


def test_results_come_in_order_from_several_processes():
    results = run([("pid", 0.2 if i % 7 == 0 else 0.0) for i in range(30)])
    assert len(results) == 30
    assert len(set(results)) == 2 and os.getpid() not in results
    assert run([("echo", i) for i in range(50)]) == list(range(50))


def test_processes_that_do_not_start_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(worker_pool, "_STARTING_SECONDS", 0.001)
    monkeypatch.setattr(worker_pool, "_MAX_EARLY_DEATHS", 2)
    with pytest.raises(RuntimeError, match="end before they begin to work"):
        run([("echo", 1)], workers=1)


def test_no_tasks():
    assert run([]) == []


def test_hang_and_crash_harm_no_other():
    tasks = [("echo", i) for i in range(24)]
    tasks[3], tasks[11], tasks[20] = ("hang", 600), ("exit", 7), ("kill", signal.SIGSEGV)
    begin = time.monotonic()
    results = run(tasks, timeout=1.0)
    assert time.monotonic() - begin < 300
    assert results[3] == TimedOut(1.0)
    assert results[11] == Died(7)
    assert results[20] == Died(-signal.SIGSEGV)
    others = [i for i in range(24) if i not in (3, 11, 20)]
    assert [results[i] for i in others] == others


STOPPED = """
import misbehaviour
from brave_tf.process.worker_pool import run_in_order
tasks = [("echo", 0), ("pid", 3.0), ("hang", 60), ("echo", 1)]
for result in run_in_order(misbehaviour.do, tasks, workers=1, timeout=5.0):
    print(result, flush=True)
"""


def test_the_time_in_which_all_were_stopped_counts_for_no_task():
    """As by Ctrl-Z, or by a scheduler that suspends a job."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = {"env": environment, "stdout": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-c", STOPPED], text=True, **start) as process:
        assert process.stdout.readline() == "0\n"
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(6.0)
        os.killpg(process.pid, signal.SIGCONT)
        pid, hung, last = process.communicate(timeout=60)[0].splitlines()
    assert pid.isdigit() and hung == str(TimedOut(5.0)) and last == "1"


def test_death_that_does_not_repeat_is_forgiven(tmp_path):
    tasks = [("die once", str(tmp_path / "died"))] + [("echo", i) for i in range(5)]
    assert run(tasks, workers=1) == ["alive", *range(5)]


def test_large_results():
    results = run([("bytes", 5_000_000) for _ in range(6)])
    assert [len(result) for result in results] == [5_000_000] * 6


def test_tasks_are_drawn_as_needed():
    drawn = []

    def tasks():
        for i in range(10_000):
            drawn.append(i)
            yield ("echo", i)

    results = run_in_order(misbehaviour.do, tasks(), workers=1, timeout=30.0)
    assert [next(results) for _ in range(20)] == list(range(20))
    results.close()
    assert len(drawn) < 60


def test_closing_ends_the_processes():
    results = run_in_order(misbehaviour.do, [("pid", 0), ("hang", 60)], workers=1, timeout=60.0)
    pid = next(results)
    os.kill(pid, 0)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_workers_that_cannot_start():
    with pytest.raises(RuntimeError, match="end before they begin"):
        run([("echo", 0)], workers=1, function=misbehaviour.Unloadable())


PROGRAM = """
from brave_tf.process import worker_pool
from brave_tf.process.worker_pool import run_in_order

def double(number):
    return 2 * number

def go(function):
    print(list(run_in_order(function, [-1, -2], workers=1, timeout=60)))

"""


@pytest.mark.parametrize(
    ("end", "printed"),
    [("go(abs)", "[1, 2]\n"), ("if __name__ == '__main__': go(double)", "[-2, -4]\n")],
)
def test_workers_import_the_program_only_where_they_need_it(tmp_path, end, printed):
    (tmp_path / "program.py").write_text(PROGRAM + end)
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == printed
