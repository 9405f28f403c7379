"""Multimodal self-supervised learning of video and audio representations on TensorFlow."""

__version__ = "0.1.0"
