"""What callbacks are given of a step, and that they may take their time."""

import logging
import time

import tensorflow as tf

from brave_tf.training.callbacks import StepCallbacks

STEPS = 8


class Seen(tf.keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.begun, self.ended = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append((batch, logs))

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((batch, logs["loss"]))
        time.sleep(0.05)
        self.model.stop_training = batch == STEPS - 2


def fit(caplog):
    """Returns the callback, the history and the warnings of a run of steps that are quicker than it is."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    seen = Seen()
    callbacks = StepCallbacks([seen], add_history=True, model=model)
    batches = tf.data.Dataset.from_tensors((tf.ones((1, 2)), tf.ones((1, 1)))).repeat()
    with caplog.at_level(logging.WARNING):
        history = model.fit(batches, steps_per_epoch=STEPS, callbacks=callbacks, verbose=0)
    return seen, history, caplog.messages


def test_steps_are_told_with_tensors_and_the_run_can_be_stopped(caplog):
    seen, history, messages = fit(caplog)
    assert [step for step, _ in seen.begun] == [step for step, _ in seen.ended]
    assert [step for step, _ in seen.ended] == list(range(STEPS - 1))
    assert all(logs == {} for _, logs in seen.begun)
    assert all(tf.is_tensor(loss) for _, loss in seen.ended)
    assert len(history.history["loss"]) == 1
    assert not [each for each in messages if "slow" in each]
