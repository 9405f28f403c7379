"""The runs that `findings` compares: pre-trained and probed once, then read from their folders."""

from __future__ import annotations

import pathlib

import gin

from bench import probed_runs, real_sets
from bench.finding_pairs import SETTINGS
from bench.real_rows import ROWS, Probe
from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.storage import files

Hits = dict[str, dict[str, float]]
_GESTURES = ROWS["gestures"]
_RENDER = pathlib.Path(__file__).resolve().parents[1] / "datasets/demo/render.py"
_DEMO_CLIPS = ("--clips=2400", "--test_clips=960")
_DEMO_FLAGS = ("--fps=10", "--min_side=64", "--flow=none", "--sample_rate=16000")
_DONE = "probed.json"


class Runs:
    """Makes runs in a folder, and what they need when the first one needs it.

    Args:
      output: the folder.
      data: that of the sets of gestures; None where only the demo is used.
      steps: of pre-training; None: the recipe's.
    """

    def __init__(self, output: pathlib.Path, data: pathlib.Path | None, steps: int | None):
        self._output, self._data, self._steps = output, data, steps
        self._prepared: dict[str, tuple[pathlib.Path, dict[str, pathlib.Path]]] = {}

    def check(self, name: str, seed: int) -> None:
        """Tells what is wrong before any long work.

        Raises:
          UserError: bindings cannot be used, gestures are not there, or the run's folder holds another one.
        """
        self._done(name, seed)
        if SETTINGS[name].clips == "gestures":
            self._gestures()

    def hits(self, name: str, seed: int) -> Hits:
        """Returns set -> key of a clip -> hit of the probe, in [0, 1], of a setting and a seed."""
        done = self._done(name, seed)
        if done is not None:
            return done
        setting, model = SETTINGS[name], self._model(name, seed)
        pool, probed = self._records(setting.clips)
        data_dir = f"train.data_dir = {str(pool)!r}"
        probed_runs.pretrain(setting.recipe, model, [*self._bindings(name, seed), data_dir])
        task = "demo/linear" if setting.clips == "demo" else "folds/linear"
        probe, found = Probe(task, "narrow"), {}
        for each, records in probed.items():
            folder = model / "eval" / each
            probed_runs.evaluate(folder, model, (probe,), records)
            found[each] = probed_runs.hits(folder, probed_runs.result(folder, probe))
        configuration = self._configuration(name, seed)
        files.write_json(model / _DONE, {"configuration": configuration, "hits": found})
        return found

    def _done(self, name: str, seed: int) -> Hits | None:
        configuration, path = self._configuration(name, seed), self._model(name, seed) / _DONE
        if not path.exists():
            return None
        try:
            kept = files.read_json(path)
            known, found = kept["configuration"], kept["hits"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error!r}): remove it.") from error
        if known != configuration:
            raise UserError(
                f"{path.parent} holds a run of another configuration: remove the folder, or name another "
                "--output."
            )
        return found

    def _configuration(self, name: str, seed: int) -> list[str]:
        """Returns the lines of all that is bound."""
        config.load_config([SETTINGS[name].recipe], self._bindings(name, seed), for_training=True)
        return gin.config_str().splitlines()

    def _bindings(self, name: str, seed: int) -> list[str]:
        bindings = [*SETTINGS[name].bindings, f"train.seed = {seed}"]
        if self._steps:
            # As large a part of the run as in the recipe.
            warmup = f"warmup_cosine.warmup_steps = {self._steps // 8}"
            bindings += [f"STEPS = {self._steps}", warmup]
        return bindings

    def _model(self, name: str, seed: int) -> pathlib.Path:
        steps = f"-{self._steps}steps" if self._steps else ""
        return self._output / "runs" / f"{name}-seed{seed}{steps}"

    def _records(self, clips: str) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
        """Returns the records that are pre-trained on, and set -> records that are probed."""
        if clips not in self._prepared:
            make = self._prepare_demo if clips == "demo" else self._prepare_gestures
            self._prepared[clips] = make(self._output / clips)
        return self._prepared[clips]

    def _gestures(self) -> dict[str, list[real_sets.Row]]:
        if self._data is None:
            raise UserError("--data is missing: the folder of the sets of gestures, see --help.")
        return {name: real_sets.read(self._data, real_sets.SETS[name]) for name in _GESTURES.pool}

    def _prepare_gestures(
        self, folder: pathlib.Path
    ) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
        clips, flags = self._gestures(), _GESTURES.prepare
        pool = [{**clip, "label": ""} for each in clips.values() for clip in each]
        records = {
            name: probed_runs.prepare(folder / name, each, flags) for name, each in clips.items()
        }
        return probed_runs.prepare(folder, pool, flags), records

    def _prepare_demo(self, folder: pathlib.Path) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
        media = folder / "media"
        probed_runs.command("python", str(_RENDER), f"--output={media}", *_DEMO_CLIPS)
        source = media / "clips.csv"
        records = probed_runs.prepare_list(source, folder / "records", _DEMO_FLAGS)
        return records, {"demo": records}
