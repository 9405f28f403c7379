"""Streams that are not there, or not any more; see also tests/cli/test_app.py."""

import io
import os

from brave_tf.process import streams


def test_a_stream_that_cannot_be_written_to_is_lost():
    for buffering in (-1, 1):
        with open("/dev/full", "w", buffering=buffering) as full:
            assert streams.is_lost(full)
            streams.discard(full.fileno())
    with open("/dev/full", "wb", buffering=0) as full:
        assert streams.is_lost(io.TextIOWrapper(full, write_through=True))
    assert not streams.is_lost(io.StringIO())


def test_what_is_discarded_goes_nowhere(tmp_path):
    with open(tmp_path / "file", "w") as file:
        print("kept", file=file, flush=True)
        before = len(os.listdir("/proc/self/fd"))
        streams.discard(file.fileno())
        assert len(os.listdir("/proc/self/fd")) == before
        print("not kept", file=file, flush=True)
    assert (tmp_path / "file").read_text() == "kept\n"
