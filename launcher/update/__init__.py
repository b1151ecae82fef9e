"""``--update`` and ``--back``: another version of Easel in the same folder, and the way back. Standard library only."""
