"""brave_tf_data_service: starts a process of a tf.data service, by which other machines decode clips.

Example, on one machine and then on each one that decodes:
  brave_tf_data_service --role=dispatcher --port=5050
  brave_tf_data_service --role=worker --dispatcher=HOST:5050

Then train with --gin_bindings="train.data_service = 'grpc://HOST:5050'". All need the same version of this
package, and the records under the same name. Runs until it is interrupted or terminated. Exit codes:
0 stopped by Ctrl-C or SIGTERM, 2 unusable input.
"""

from __future__ import annotations

import socket
import threading

from absl import flags

from brave_tf import errors, quiet
from brave_tf.cli import app

FLAGS = flags.FLAGS
_ROLES = ("dispatcher", "worker")


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_enum(
        "role", None, _ROLES, "The dispatcher, one per service, or a worker, any number."
    )
    flags.DEFINE_integer(
        "port", 0, "Port to listen at; 0 for any that is free.", lower_bound=0, upper_bound=65_535
    )
    flags.DEFINE_string(
        "host", socket.gethostname(), "Name under which the other machines find this one."
    )
    flags.DEFINE_string("dispatcher", None, "HOST:PORT of the dispatcher, for a worker.")


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    if FLAGS.role is None:
        raise errors.UserError("--role is missing: expected dispatcher or worker.")
    if (FLAGS.dispatcher is None) == (FLAGS.role == "worker"):
        raise errors.UserError(
            "--dispatcher: a worker needs the HOST:PORT of its dispatcher, and a dispatcher takes none."
        )
    _check_port()
    quiet.load_tensorflow()
    from brave_tf.data import tfio

    # Dispatcher and workers are sent graphs with them.
    tfio.load_operations()
    try:
        server = _start_dispatcher() if FLAGS.role == "dispatcher" else _start_worker()
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped", flush=True)
        del server
    return 0


def _check_port() -> None:
    """Makes sure that the port is free; gRPC would not say why it does not start."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("", FLAGS.port))
        except OSError as error:
            raise errors.UserError(
                f"--port={FLAGS.port} cannot be listened at ({error.strerror}): name another, or 0 for any "
                "that is free."
            ) from error


def _start_dispatcher() -> object:
    import tensorflow as tf

    service = tf.data.experimental.service
    server = service.DispatchServer(service.DispatcherConfig(port=FLAGS.port))
    address = f"{FLAGS.host}:{server.target.rsplit(':', 1)[1]}"
    print(
        f"dispatcher at {address}; start workers with --dispatcher={address}, and train with the binding "
        f"train.data_service = 'grpc://{address}'",
        flush=True,
    )
    return server


def _start_worker() -> object:
    import tensorflow as tf

    from brave_tf.data import decode_service

    # A worker would wait for its dispatcher without a word.
    decode_service.check_dispatcher(FLAGS.dispatcher)
    service = tf.data.experimental.service
    server = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=FLAGS.dispatcher,
            port=FLAGS.port,
            worker_address=f"{FLAGS.host}:{FLAGS.port or '%port%'}",
        )
    )
    print(f"worker of {FLAGS.dispatcher} at {FLAGS.host}", flush=True)
    return server


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()
