"""The bootstrap: progress page and set-up. Standard library only, on any Python from 3.8 on.

`launch.py` imports these modules, and `app.py` those in ``process``; neither engine nor ui knows of them. Read them in this
order: ``folder``, ``progress``, ``setup_errors``, ``process``, ``commands``, ``uv``, ``torch_build``, ``trial_calculation``,
``environment``, ``progress_page``, ``run_studio``.
"""
