"""From a file to a pipeline. All but ``loading``, ``adapters`` and ``cache`` is free of torch: the page uses it."""
