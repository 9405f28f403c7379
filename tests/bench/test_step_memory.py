import argparse

import pytest

from bench import step_memory


def arguments(*flags):
    parser = argparse.ArgumentParser()
    step_memory.add_arguments(parser)
    return parser.parse_args(["--gin_file=demo_supervised", *flags])


def test_each_pair_of_precision_and_saving_is_measured(monkeypatch):
    asked = []

    class Pool:
        """Measures nothing."""

        def __init__(self, processes):
            assert processes == 1

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def apply(self, function, args):
            asked.append(args)
            return {"before_mb": 100.0, "peak_mb": 160.0}

    context = argparse.Namespace(Pool=Pool)
    monkeypatch.setattr(step_memory.multiprocessing, "get_context", lambda _: context)
    rows = step_memory.run(arguments("--clips=4"))["rows"]
    assert len({(row["precision"], row["saving"]) for row in rows}) == len(rows) == 8
    assert all((row["step_mb"], row["step_mb_per_clip"]) == (60, 15) for row in rows)
    assert asked[0] == (
        ["demo_supervised"],
        ["train.batch_size = 4", "train.precision = 'float32'"],
    )
    for bindings in (asked[-1][1], asked[5][1]):
        assert "tsm_resnet.checkpoint_stages = True" in bindings
    assert [sum("accumulate_steps = 4" in b for b in bindings) for _, bindings in asked] == (
        [0, 0, 1, 1] * 2
    )


@pytest.mark.series
def test_a_process_is_measured():
    (row,) = step_memory.run(
        arguments("--clips=64", "--precision=float32", "--saving=accumulation")
    )["rows"]
    assert row["peak_mb"] > row["before_mb"] + 10 > 100
    assert row["step_mb"] == pytest.approx(row["peak_mb"] - row["before_mb"])
