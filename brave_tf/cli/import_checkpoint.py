"""brave_tf_import: turns a published BraVe checkpoint into Keras weights and a SavedModel.

Example:
  brave_tf_import --checkpoint=29466668_1_0.npy --output=imported/v_a

The checkpoint is a .npy file of DeepMind's JAX code (https://github.com/google-deepmind/brave), or
one that brave_tf_export wrote with --format=deepmind. Nothing in the file is run. Views, widths and
sizes are read from it. Leaves in OUTPUT what brave_tf_export does, to be used as
--model=OUTPUT, and, when the file holds the narrow and a broad view, a checkpoint with all weights,
heads included, to be used as --model_dir=OUTPUT. Exit codes: 0 imported, 2 unusable input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError, named
from brave_tf.process import startup

if TYPE_CHECKING:
    from brave_tf.interop.deepmind import runs

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("checkpoint", None, "The .npy file.")
    flags.DEFINE_string("output", None, "Folder for the model; a new or an empty one.")
    flags.DEFINE_bool("overwrite", False, "Replace an imported or exported model in --output.")


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    for flag in ("checkpoint", "output"):
        if not FLAGS[flag].value:
            raise UserError(f"--{flag} is missing: {FLAGS[flag].help}")
    startup.import_tensorflow()
    from brave_tf.interop.deepmind import runs

    with named(
        checkpoint="--checkpoint={}", output="--output={}", overwrite="--overwrite is not given"
    ):
        model, signatures = runs.import_checkpoint(FLAGS.checkpoint, FLAGS.output, FLAGS.overwrite)
    print("\n".join(_described(model)))
    for name, spec in signatures.items():
        shape = ", ".join("?" if size is None else str(size) for size in spec.shape)
        print(f"signature {name}: {spec.name} {spec.dtype.name} ({shape}) -> embedding")
    print(f"imported {FLAGS.checkpoint} to {FLAGS.output}; next: {_next(model)}")
    return 0


def _described(model: runs.Model) -> list[str]:
    lines = []
    for backbone in model.backbones:
        heads = ""
        if model.objective:
            module = model.heads.modules.get(backbone.view)
            heads = f", heads {module}" if module else ", no heads that fit: drawn at random"
        lines.append(
            f"view {backbone.view}: {backbone.module}, {backbone.builder} of depth {backbone.depth} and "
            f"width x{backbone.width_multiplier}, {backbone.feature_size} features{heads}"
        )
    for module, count in model.unused.items():
        copy = module.startswith("shared_project_")
        reason = "the released code creates but never uses it" if copy else "it has no place"
        lines.append(f"not used: {module}, {count:,} parameters; {reason}")
    return lines


def _next(model: runs.Model) -> str:
    task = {"rgb": "linear", "flow": "linear_flow", "audio": "linear_audio"}
    modality = model.backbones[0].modality
    return f"brave_tf_eval --task=folder/{task[modality]} --data=DIR --model={FLAGS.output}"


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()
