"""Fixtures of tests of what TensorFlow's operations and the compiled ones do alike."""

import pytest

from brave_tf.data.kernels import library


@pytest.fixture(params=["tensorflow", "compiled"])
def either_way(request):
    """Runs a test twice: by TensorFlow's operations, and by the compiled ones."""
    wanted = request.param == "compiled"
    with library.compiled_kernels(wanted):
        if wanted and library.operations() is None:
            pytest.skip("this machine has no C++ compiler")
        yield
