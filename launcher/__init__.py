"""The first second and the set-up. Standard library only, on any Python from 3.8 on.

`launch.py` is the only one that imports these rooms; neither engine nor ui knows of them. Read them in this order: ``folder``,
``progress``, ``troubles``, ``commands``, ``uv``, ``environment``, ``device``, ``page``, ``studio``.
"""
