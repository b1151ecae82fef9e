"""Reads the records of other programs from images and converts them to Easel's requests."""
