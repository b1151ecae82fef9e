"""Easel's own routes under ``/easel/v1``: everything that the queue takes, in Easel's own words."""
