"""ComfyUI: an image's settings are in a graph of nodes, which is searched backwards from the sampler.

``graph`` holds the nodes, ``words`` assembles prompts, ``reader`` reads the settings of the first pass, ``workflow`` converts
the editor's form of a graph to the form that is executed.
"""
