"""What setup.cfg cannot say: the folder of recipes is installed inside the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["brave_tf*"]), "brave_tf.gin"],
    package_dir={"brave_tf.gin": "gin"},
)
