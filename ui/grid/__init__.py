"""Grids on the page: which fields vary, and the sheet that comes of it."""
