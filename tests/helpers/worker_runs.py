"""Trains in two processes, loses one, asks one to stop, starts them again, lets them differ: for tests.

Usage: worker_runs.py RECIPE FOLDER. Trains undisturbed in FOLDER/whole, then in FOLDER/parts, and prints as
JSON what became of each pair: name -> [{"code": exit code, "lines": output, "seconds": from signal to end}].
All are forks of this one, which has imported TensorFlow but not started it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time

import free_ports

from brave_tf.cli import train
from brave_tf.training import run  # noqa: F401  Imported once, for all forks.


class Worker:
    """A fork that runs `brave_tf_train` as one of two, and what it prints."""

    def __init__(self, arguments: list[str], ports: list[int], index: int):
        self.lines: list[str] = []
        self.step = 0
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            cluster = {"worker": [f"localhost:{port}" for port in ports]}
            task = {"type": "worker", "index": index}
            os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
            sys.argv = ["brave_tf_train", *arguments]
            train.console_main()
        os.close(writing)
        self._output = os.fdopen(reading, errors="replace")
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._output:
            self.lines.append(line.strip())
            told = re.match(r"step (\d+)/", line)
            self.step = int(told[1]) if told else self.step

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self._reader.join()
        return os.waitstatus_to_exitcode(status)


def pair(
    arguments: list[str], step: int = 0, signum: int | None = None, own: tuple[str, ...] = ()
) -> list[dict]:
    """Runs two processes to their end; the second gets a signal when the first has told of a step.

    It may have arguments of its own, too.
    """
    ports = free_ports.find(2)
    workers = [Worker([*arguments, *(own * index)], ports, index) for index in (0, 1)]
    if signum is not None:
        while workers[0].step < step and workers[0]._reader.is_alive():
            time.sleep(0.01)
        os.kill(workers[1].pid, signum)
    begun = time.perf_counter()
    results = []
    for worker in workers:
        code = worker.end()
        seconds = time.perf_counter() - begun
        results.append({"code": code, "lines": worker.lines, "seconds": seconds})
    return results


def main(recipe: str, folder: str) -> None:
    whole, parts = (
        [f"--gin_file={recipe}", f"--model_dir={folder}/{name}"] for name in ("whole", "parts")
    )
    results = {
        "whole": pair(whole),
        "killed": pair(parts, 8, signal.SIGKILL),
        "asked": pair(parts, 20, signal.SIGTERM),
        "finished": pair(parts),
        "differing": pair(
            [f"--gin_file={recipe}", f"--model_dir={folder}/differing"],
            own=(
                "--gin_bindings=sgd.learning_rate = 0.5",
                "--gin_bindings=InputWait.patience = 60.0",
            ),
        ),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
