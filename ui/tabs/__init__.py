"""The tabs, a folder each; ``create_x_tab`` in its ``tab`` builds one."""
