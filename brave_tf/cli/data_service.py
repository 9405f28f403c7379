"""brave_tf_data_service: starts a process of a tf.data service, by which other machines decode clips.

Example, on one machine:
  brave_tf_data_service --role=dispatcher --port=5050
  brave_tf_data_service --role=worker --dispatcher=localhost:5050

Then train with --gin_bindings="train.data_service = 'grpc://localhost:5050'". Only this machine reaches them.
The protocol has no authentication: whoever reaches a port can have workers read and write files. On several
machines that a firewall keeps others from, give each --host=ITS_ADDRESS --insecure. All need the same version
of this package, and the records under the same name. Runs until it is interrupted or terminated. Exit codes:
0 stopped by Ctrl-C or SIGTERM, 2 unusable input.
"""

from __future__ import annotations

import socket
import threading

from absl import flags

from brave_tf import errors
from brave_tf.cli import app
from brave_tf.data.pipeline import service_port
from brave_tf.process import startup

FLAGS = flags.FLAGS
# How long a worker asks a dispatcher that does not answer; TensorFlow's default is an hour.
_DISPATCHER_SECONDS = 60
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
        "host",
        "localhost",
        "Name or address of this machine to listen at, by which others find it; 0.0.0.0 for all it has.",
    )
    flags.DEFINE_boolean(
        "insecure", False, "Listen where other machines may reach the port, without authentication."
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
    reach = service_port.reach(FLAGS.host, FLAGS.insecure)
    _check_port()
    startup.import_tensorflow()
    from brave_tf.data.media import tfio

    # Dispatcher and workers are sent graphs with them.
    tfio.load_operations()
    try:
        server = _start_dispatcher(reach) if FLAGS.role == "dispatcher" else _start_worker(reach)
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


def _start_dispatcher(reach: service_port.Reach) -> object:
    import tensorflow as tf

    service = tf.data.experimental.service
    server = service.DispatchServer(service.DispatcherConfig(port=FLAGS.port))
    port = server.target.rsplit(":", 1)[1]
    _confine(int(port), reach)
    address = f"{_host_of(reach)}:{port}"
    print(
        f"dispatcher at {address}; start workers with --dispatcher={address}, and train with the binding "
        f"train.data_service = 'grpc://{address}'; {reach}",
        flush=True,
    )
    return server


def _start_worker(reach: service_port.Reach) -> object:
    import tensorflow as tf

    from brave_tf.data.pipeline import decode_service

    # A worker would wait for its dispatcher without a word.
    decode_service.check_dispatcher(FLAGS.dispatcher)
    # Asked for a port of its own choice, TensorFlow would not tell which one it took.
    port = FLAGS.port or _free_port()
    service = tf.data.experimental.service
    server = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=FLAGS.dispatcher,
            port=port,
            worker_address=f"{_host_of(reach)}:{port}",
            dispatcher_timeout_ms=_DISPATCHER_SECONDS * 1000,
        )
    )
    _confine(port, reach)
    print(f"worker of {FLAGS.dispatcher} at {_host_of(reach)}:{port}; {reach}", flush=True)
    return server


def _confine(port: int, reach: service_port.Reach) -> None:
    if reach.addresses:
        service_port.confine(port, reach.addresses)


def _host_of(reach: service_port.Reach) -> str:
    return f"[{reach.name}]" if ":" in reach.name else reach.name


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main, waits=True)


if __name__ == "__main__":
    console_main()
