"""Trains in a process that loses the dispatcher of its tf.data service: a program for tests.

Usage: lost_service_run.py STEP PID SECONDS [flags of brave_tf_train]. Kills the process PID after a step, and
asks itself to stop by SIGTERM so many seconds later; 0 for never.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from brave_tf.cli import train
from brave_tf.training import callbacks


def main(step: int, dispatcher: int, seconds: float) -> None:
    taken = 0
    update = callbacks.StepCallbacks.on_train_batch_end

    def kill_after_step(self, batch, logs=None) -> None:
        nonlocal taken
        update(self, batch, logs)
        taken += 1
        if taken == step:
            os.kill(dispatcher, signal.SIGKILL)
            if seconds:
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM)).start()

    callbacks.StepCallbacks.on_train_batch_end = kill_after_step
    train.console_main()


if __name__ == "__main__":
    own = [int(argument) for argument in sys.argv[1:4]]
    del sys.argv[1:4]
    main(*own)
