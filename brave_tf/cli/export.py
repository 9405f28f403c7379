"""brave_tf_export: turns a run into a SavedModel that maps frames or sound to embeddings.

Example:
  brave_tf_export --model_dir=runs/demo/pretrained --output=exported/demo

Leaves OUTPUT/saved_model, which loads with plain TensorFlow, OUTPUT/keras/VIEW.keras with the Keras
model of each view's backbone, OUTPUT/weights with its weights alone, and OUTPUT/config.gin.
Signatures, for each view of the model:
  VIEW              video float32 (B, T, H, W, C), rgb in [0, 1], flow in [-1, 1];
                    for sound pcm float32 (B, N) at the view's sample rate
  VIEW_uint8        video uint8 (B, T, H, W, C)
  VIEW_frames       video uint8 of any size, resized and cropped to the view's
  VIEW_spectrogram  spectrogram float32 (B, frames, bins), for sound
Each answers `embedding` (B, D); with --end_points=stage_3,last_conv also these, (B, T, h, w, C) for
video and (B, h, w, C) for sound.

--format=deepmind writes the file OUTPUT, such as v_a.npy, in the format of the published BraVe
checkpoints instead: all weights of a run of BraVe on TSM-ResNets and audio ResNets.

Exit codes: 0 exported, 2 unusable input.
"""

from __future__ import annotations

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError, named
from brave_tf.process import startup

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("model_dir", None, "Folder of a run that brave_tf_train wrote.")
    flags.DEFINE_string("checkpoint", "last", "Which one of the run: last, best or a step.")
    flags.DEFINE_string(
        "network",
        "online",
        "Which one of its networks: online, or target where it has a momentum copy.",
    )
    flags.DEFINE_string("output", None, "Folder for the exported model; a new or an empty one.")
    flags.DEFINE_list(
        "end_points", [], "Layers whose output is answered too: stem, stage_1, ..., last_conv."
    )
    flags.DEFINE_bool("overwrite", False, "Replace an exported model in --output.")
    flags.DEFINE_enum(
        "format", "saved_model", ["saved_model", "deepmind"], "What to write; see above."
    )
    app.define_trust(__name__)


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    for flag in ("model_dir", "output"):
        if not FLAGS[flag].value:
            raise UserError(f"--{flag} is missing: {FLAGS[flag].help}")
    startup.import_tensorflow()
    # What is called does not know where its arguments come from.
    with named(overwrite="--overwrite is not given", network="--network={}"):
        if FLAGS.format == "deepmind":
            if FLAGS.network != "online":
                raise UserError(
                    f"--network={FLAGS.network}: --format=deepmind has the trained network alone. Leave this "
                    "out, or export a saved_model."
                )
            with named(output="--format=deepmind, --output={}"):
                _export_checkpoint()
        else:
            with named(output="--output={}"):
                _export_model()
    print(f"exported {FLAGS.model_dir} to {FLAGS.output}")
    return 0


def _export_checkpoint() -> None:
    from brave_tf.interop.deepmind import runs

    runs.export_checkpoint(
        FLAGS.model_dir, FLAGS.output, FLAGS.overwrite, checkpoint=FLAGS.checkpoint
    )


def _export_model() -> None:
    from brave_tf.interop import saved_model

    signatures = saved_model.export_run(
        FLAGS.model_dir,
        FLAGS.output,
        FLAGS.end_points,
        overwrite=FLAGS.overwrite,
        checkpoint=FLAGS.checkpoint,
        network=FLAGS.network,
    )
    answers = ", ".join(["embedding", *FLAGS.end_points])
    for name, spec in signatures.items():
        shape = ", ".join("?" if size is None else str(size) for size in spec.shape)
        print(f"signature {name}: {spec.name} {spec.dtype.name} ({shape}) -> {answers}")


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()
