"""What setup.cfg cannot say: recipes are inside the package, and a wheel may carry compiled kernels."""

import os
import pathlib
import platform
import sys
from importlib import util

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

KERNELS = "brave_tf.data.kernels"

# To import what compiles them, which needs nothing that TensorFlow does not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


class BuildKernels(build_ext):
    """Compiles the kernels with the TensorFlow of the environment; not for a checkout that is edited."""

    def run(self):
        if self.editable_mode or self.inplace:
            return
        from brave_tf.data.kernels import carried, compiling

        folder = pathlib.Path(self.build_lib, *KERNELS.split("."))
        carried.build(folder, compiling.compiler())

    def get_outputs(self):
        return []

    def get_output_mapping(self):
        return {}


class PlatformWheel(bdist_wheel):
    """Is for every version of Python, as the kernels do not use its interface."""

    def get_tag(self):
        python, abi, system = super().get_tag()
        return (python, abi, system) if self.root_is_pure else ("py3", "none", system)


def carries_kernels():
    """Returns whether to compile: BRAVE_TF_PURE=1 is never, 0 always; without it, where it can be done."""
    wanted = os.environ.get("BRAVE_TF_PURE", "")
    if wanted not in ("", "0", "1"):
        sys.exit(f"error: BRAVE_TF_PURE is {wanted!r}, expected 0 or 1, or nothing.")
    missing = what_is_missing()
    if wanted == "0" and missing:
        sys.exit(f"error: the kernels cannot be compiled (BRAVE_TF_PURE=0): {missing}.")
    if not wanted and missing:
        print(f"the wheel carries no compiled kernels: {missing}.", file=sys.stderr)
    return wanted != "1" and not missing


def what_is_missing():
    """Returns why the kernels cannot be compiled here; empty if they can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "they are compiled for Linux on x86-64 only"
    if not util.find_spec("tensorflow"):
        return "TensorFlow is not installed where the wheel is built (pip's --no-build-isolation)"
    from brave_tf.data.kernels import compiling

    return "" if compiling.compiler() else "no C++ compiler is installed"


setup(
    packages=[*find_packages(include=["brave_tf*"]), "brave_tf.gin"],
    package_dir={"brave_tf.gin": "gin"},
    ext_modules=[Extension(f"{KERNELS}.prebuilt", [])] if carries_kernels() else [],
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": PlatformWheel},
)
