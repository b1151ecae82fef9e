"""The tabs, one folder each; ``create_x_tab`` in its ``tab`` module builds it."""
