"""Multimodal self-supervised learning of video and audio representations on TensorFlow."""

from brave_tf import keras_names, moved

__version__ = "0.1.0"

keras_names.register_when_imported()
moved.forward()
