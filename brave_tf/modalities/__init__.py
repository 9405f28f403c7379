"""Modalities: one file for each, with all that is particular to it."""
