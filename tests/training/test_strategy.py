"""Which strategy a run gets, and what stops it when none fits. Accelerators are played."""

import types

import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training import strategy
from brave_tf.training.workers import Workers

TWO = Workers(["one:1", "two:2"], 1)


def has(monkeypatch, **counts):
    """Lets TensorFlow tell of so many devices of each kind."""
    physical = [
        tf.config.PhysicalDevice(f"{k}:{i}", k) for k, n in counts.items() for i in range(n)
    ]
    for kind in ("physical", "logical"):
        monkeypatch.setattr(
            f"tensorflow.config.list_{kind}_devices",
            lambda wanted: [device for device in physical if device.device_type == wanted],
        )


@pytest.fixture
def made(monkeypatch):
    """The calls that make strategies and connect to TPUs, in order, none of which is carried out."""
    calls = []

    def record(path):
        def call(*args, **kwargs):
            calls.append((path.rpartition(".")[2], args, kwargs))
            return calls[-1][0]

        monkeypatch.setattr(f"tensorflow.{path}", call)

    for name in ("OneDeviceStrategy", "MirroredStrategy", "MultiWorkerMirroredStrategy"):
        record(f"distribute.{name}")
    for path in (
        "distribute.cluster_resolver.TPUClusterResolver",
        "config.experimental_connect_to_cluster",
        "tpu.experimental.initialize_tpu_system",
        "distribute.TPUStrategy",
    ):
        record(path)
    monkeypatch.delenv("TPU_NAME", raising=False)
    return calls


@pytest.mark.parametrize(
    ("gpus", "workers", "tpu", "expected"),
    [
        (1, Workers(), None, ("OneDeviceStrategy", ("GPU:0",), {})),
        (3, Workers(), None, ("MirroredStrategy", (["GPU:0", "GPU:1", "GPU:2"],), {})),
        (3, TWO, None, ("MultiWorkerMirroredStrategy", (), {})),
        (0, TWO, None, ("MultiWorkerMirroredStrategy", (), {})),
        (0, Workers(), "mine", ("TPUStrategy", ("TPUClusterResolver",), {})),
    ],
)
def test_auto_takes_what_there_is(monkeypatch, made, gpus, workers, tpu, expected):
    has(monkeypatch, GPU=gpus, CPU=1)
    assert strategy.make_strategy(tpu=tpu, workers=workers) == expected[0]
    assert made[-1] == expected


def test_auto_on_cpus_is_one_device_without_a_strategy(monkeypatch, made):
    has(monkeypatch, CPU=2)
    assert strategy.make_strategy() is tf.distribute.get_strategy()
    assert not made


def test_one_device_is_taken_of_many_when_asked_for(monkeypatch, made):
    has(monkeypatch, GPU=2, CPU=1)
    assert strategy.make_strategy("one_device") == "OneDeviceStrategy"


def test_a_tpu_is_connected_to_by_its_name(monkeypatch, made):
    monkeypatch.setenv("TPU_NAME", "from-environment")
    assert strategy.make_strategy() == "TPUStrategy"
    assert strategy.make_strategy("tpu", tpu="grpc://host:8470") == "TPUStrategy"
    resolvers = [kwargs["tpu"] for name, _, kwargs in made if name == "TPUClusterResolver"]
    # An empty name stands for that in the environment.
    assert resolvers == ["", "grpc://host:8470"]
    order = ["TPUClusterResolver", "experimental_connect_to_cluster", "initialize_tpu_system"]
    assert [name for name, _, _ in made] == [*order, "TPUStrategy"] * 2


@pytest.mark.parametrize(
    "error",
    [ValueError("no name"), OSError("no network"), tf.errors.NotFoundError(None, None, "-")],
)
def test_a_tpu_that_does_not_answer_is_named(monkeypatch, made, error):
    def fail(**_):
        raise error

    monkeypatch.setattr("tensorflow.distribute.cluster_resolver.TPUClusterResolver", fail)
    with pytest.raises(UserError, match="no TPU answers to the name 'mine'.*train.tpu"):
        strategy.make_strategy("tpu", tpu="mine")


def test_without_a_name_there_is_no_tpu(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(UserError, match="no TPU answers to the name None"):
        strategy.make_strategy("tpu")


@pytest.mark.parametrize(
    ("name", "workers", "expected"),
    [
        ("mirored", Workers(), "Did you mean mirrored"),
        ("mirrored", TWO, "names 2 processes: bind 'multi_worker'"),
        ("multi_worker", Workers(), "names 1 processes"),
    ],
)
def test_strategies_that_do_not_fit_are_refused(made, name, workers, expected):
    with pytest.raises(UserError, match=expected):
        strategy.make_strategy(name, workers=workers)
    assert not made


def test_mirrored_goes_over_all_logical_cpus():
    made = strategy.make_strategy("mirrored")
    assert [device[-5:] for device in made.extended.worker_devices] == ["CPU:0", "CPU:1"]


def test_all_devices_have_equal_parts_of_a_batch():
    four = types.SimpleNamespace(num_replicas_in_sync=4)
    strategy.check_division(four, 24, 3)
    with pytest.raises(UserError, match="train.batch_size = 30 .* 4 devices: bind a multiple of 4"):
        strategy.check_division(four, 30, 1)
    with pytest.raises(UserError, match="4 devices in 3 parts: bind a multiple of 12"):
        strategy.check_division(four, 16, 3)


@pytest.mark.parametrize(
    ("devices", "compiles"),
    [(["CPU:0"], True), (["CPU:0", "CPU:1"], False), (["GPU:0", "GPU:1"], True)],
)
def test_xla_compiles_no_step_over_several_cpus(devices, compiles):
    names = [f"/job:localhost/replica:0/task:0/device:{device}" for device in devices]
    extended = types.SimpleNamespace(worker_devices=names)
    over = types.SimpleNamespace(num_replicas_in_sync=len(names), extended=extended)
    if compiles:
        strategy.check_compilation(over)
        return
    with pytest.raises(UserError, match="train.jit_compile = True: XLA cannot .*'one_device'"):
        strategy.check_compilation(over)
