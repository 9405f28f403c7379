"""Trains a recipe, kills the process that does, and starts it again: a program for tests.

Usage: killed_run.py RECIPE FOLDER KILLS SEED. Trains undisturbed in FOLDER/whole, then in FOLDER/parts with
so many SIGKILLs, and prints a JSON list of what each process of the latter came to:
{"killed": bool, "lines": [its output]}. All are forks of this one, which has imported TensorFlow but not
started it.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import sys
import threading
import time
import traceback

from brave_tf import config
from brave_tf.training import run


class Process:
    """A fork that trains, and what it prints."""

    def __init__(self, model_dir: str):
        reading, writing = os.pipe()
        self.begun = time.perf_counter()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            os.dup2(writing, 1)
            _train(model_dir)
        os.close(writing)
        self._output = os.fdopen(reading)
        self.lines: list[str] = []

    def follow(self, step: float = math.inf) -> float:
        """Reads output to its end, or until it tells of a step; returns the seconds since the start."""
        for line in self._output:
            self.lines.append(line.strip())
            told = re.match(r"step (\d+)/", line)
            if told and int(told[1]) >= step:
                break
        return time.perf_counter() - self.begun

    def end(self) -> dict:
        threading.Thread(target=self.follow, daemon=True).start()
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("\n".join(self.lines))
        return {"killed": os.WIFSIGNALED(status), "lines": self.lines}


def _train(model_dir: str) -> None:
    try:
        run.train(model_dir)
        sys.stdout.flush()
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def main(recipe: str, folder: str, kills: int, seed: int) -> None:
    config.load_config([recipe])
    random.seed(seed)
    whole = Process(f"{folder}/whole")
    start = whole.follow(step=1)
    steps = whole.follow() - start
    whole.end()
    told = [re.match(r"step (\d+)/", line) for line in whole.lines]
    num_steps = int([each for each in told if each][-1][1])
    results = []
    for kill in range(kills):
        process = Process(f"{folder}/parts")
        if kill % 2:
            # While it makes steps and saves them, about two of them after one that it tells of.
            process.follow(random.uniform(0.8, 1.0) * num_steps * kill / kills - 5)
            time.sleep(random.uniform(0, 4 * steps / num_steps))
        else:
            time.sleep(random.uniform(0, start))
        os.kill(process.pid, signal.SIGKILL)
        results.append(process.end())
    last = Process(f"{folder}/parts")
    last.follow()
    json.dump([*results, last.end()], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
