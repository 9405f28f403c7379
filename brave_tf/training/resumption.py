"""What a run finds in its folder when it starts: another process, a configuration, a checkpoint, charts."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import tokenize
import uuid
from collections.abc import Iterator

import gin

from brave_tf import errors
from brave_tf.configuration import model_config
from brave_tf.data.pipeline.decode_service import LostServiceError, NoServiceError
from brave_tf.storage import files
from brave_tf.storage.locks import locked
from brave_tf.training import checkpoint_files, config_changes, event_files
from brave_tf.training.checkpoints import FOLDER, Checkpoints
from brave_tf.training.recipe import CONFIG_FILE, OPERATIVE_CONFIG_FILE

TENSORBOARD = "tensorboard"
LOCK = "running.lock"
RUN_FILE = "run.json"


@contextlib.contextmanager
def sole_owner(model_dir: str) -> Iterator[None]:
    """Keeps other processes from training in the folder, which is made if it is not there.

    Raises:
      UserError: another one does, or the folder cannot be written to.
    """
    path = pathlib.Path(model_dir) / LOCK
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            said = f"process {os.getpid()} on {platform.node()}\n"
            stack.enter_context(locked(str(path), wait=False, said=said))
        except BlockingIOError as error:
            raise errors.UserError(
                f"{model_dir} is in use: {_holder(path)} trains in it. Wait for it to end, or give another "
                "--model_dir."
            ) from error
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def _holder(lock: pathlib.Path) -> str:
    """Returns what a lock says of the process that holds it, which may end at this moment."""
    with contextlib.suppress(OSError):
        return lock.read_text("utf-8", "replace").strip() or "another process"
    return "another process"


@contextlib.contextmanager
def lost_if_resuming(model_dir: str) -> Iterator[None]:
    """Takes a service that is not there for one that was lost, where the run has begun before.

    What starts a run again and again until it is complete can tell this from a mistake in its settings.

    Raises:
      LostServiceError: see above.
    """
    try:
        yield
    except NoServiceError as error:
        if not checkpoint_files.steps(pathlib.Path(model_dir) / FOLDER):
            raise
        raise LostServiceError(errors.message(error), error.service) from error


def resume(checkpoints: Checkpoints, model_dir: str, step: int | None, allow_changes: bool) -> None:
    """Restores a checkpoint of the run in `model_dir`, and says what differs in the configuration.

    Args:
      checkpoints: those of the run.
      model_dir: its folder. What its charts show of later steps is removed.
      step: that of the checkpoint; None when there is none, and the run begins.
      allow_changes: see `config_changes.check`.

    Raises:
      UserError: the configuration or the checkpoint does not fit.
    """
    folder = pathlib.Path(model_dir)
    if step is not None:
        _compare_configs(folder / OPERATIVE_CONFIG_FILE, allow_changes)
        checkpoints.restore(step)
    event_files.drop_after(folder / TENSORBOARD, step or 0)


def _compare_configs(path: pathlib.Path, allow_changes: bool) -> None:
    # Runs that were imported have none.
    if not path.exists():
        return
    text = model_config.read_text(path)
    try:
        changes = config_changes.check(text, gin.operative_config_str(), allow_changes)
    except errors.UserError:
        raise
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise errors.UserError(
            f"{path} is damaged ({errors.message(error)}): put back what the run wrote there. Without the "
            "file, the run is resumed whatever its configuration was."
        ) from error
    if changes:
        print("resuming with a configuration that differs from before (old -> new):")
        print("".join(f"  {change}\n" for change in changes), end="", flush=True)


def write_configs(model_dir: str) -> None:
    """Writes `config.gin`, what was bound, and `operative_config.gin`, every value that was used.

    Raises:
      UserError: they cannot be written; what was there before is left as it is.
    """
    texts = {CONFIG_FILE: gin.config_str(), OPERATIVE_CONFIG_FILE: gin.operative_config_str()}
    for name, text in texts.items():
        path = pathlib.Path(model_dir) / name
        try:
            with files.replacing(path) as aside:
                # Names of files need not be text.
                aside.write_text(text, "utf-8", "surrogateescape")
        except OSError as error:
            raise _unwritable(path, error) from error


def name_run(model_dir: str, begins: bool) -> None:
    """Gives a run that begins an id, by which its results are told from those of an earlier one there.

    A run that resumes keeps the one it has.

    Raises:
      UserError: it cannot be written.
    """
    if not begins and run_id(model_dir):
        return
    path = pathlib.Path(model_dir) / RUN_FILE
    try:
        files.write_json(path, {"id": uuid.uuid4().hex})
    except OSError as error:
        raise _unwritable(path, error) from error


def run_id(model_dir: str | os.PathLike[str]) -> str | None:
    """Returns the id of the run in a folder; None where there is none, as in folders of older versions."""
    try:
        found = files.read_json(pathlib.Path(model_dir) / RUN_FILE)["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _unwritable(path: pathlib.Path, error: OSError) -> errors.UserError:
    return errors.UserError(
        f"{path} could not be written: {error}. Give a --model_dir on a disk with space and permission."
    )
