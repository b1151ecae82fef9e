"""ComfyUI: the image's settings are in a graph of nodes; following the arrows backwards finds them.

``graph`` holds the nodes, ``words`` puts prompts together, ``reader`` takes the settings of the first pass, ``workflow`` turns
the editor's drawing of a graph into the form that is run.
"""
