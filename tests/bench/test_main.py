import json
import pathlib

import pytest

from bench import __main__ as command
from bench import discovery


def test_lists_every_benchmark(capsys):
    assert command.main([]) == 0
    listed = capsys.readouterr().out
    for name in ("augment", "pipeline", "pipeline_memory", "recipes", "train"):
        assert f"  {name} " in listed
    assert "timing" not in listed


def test_a_benchmark_is_found_when_it_has_both_functions(tmp_path):
    (tmp_path / "whole.py").write_text(
        '"""First line.\n\nRest."""\n\n\ndef add_arguments(parser):\n    pass\n\n\ndef run(args):\n    pass\n'
    )
    (tmp_path / "helper.py").write_text('"""Helps."""\n\n\ndef run(args):\n    pass\n')
    assert discovery.benchmarks(tmp_path) == {"whole": "First line."}


def test_prints_a_table_and_one_line_of_json(capsys):
    flags = ["--steps=SpecAugment", "--repeats=2", "--clips=2", "--threads=1"]
    assert command.main(["augment", *flags]) == 0
    *table, line = capsys.readouterr().out.strip().splitlines()
    assert table[0].split() == ["step", "cpu_ms", "spread", "clips_per_s"]
    assert table[1].startswith("audio: SpecAugment ")
    result = json.loads(line)
    assert list(result) == ["name", "machine", "versions", "settings", "rows"]
    assert result["name"] == "augment" and result["settings"]["clips"] == 2
    assert result["machine"]["cores"] >= 1 and "tensorflow" in result["versions"]
    assert result["rows"][0]["clips_per_s"] > 0


def test_an_unknown_name_is_answered_with_the_known_ones(capsys):
    assert command.main(["pipline"]) == 2
    assert "Did you mean pipeline" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(discovery.benchmarks()))
def test_each_benchmark_explains_its_flags(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"python -m bench {name}" in capsys.readouterr().out


def test_folders_of_benchmarks_hold_no_results():
    folder = pathlib.Path(discovery.__file__).parent
    assert {path.suffix for path in folder.iterdir() if path.is_file()} == {".py"}
