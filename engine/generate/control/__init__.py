"""Pictures that guide an image: maps made of them, and the control networks that read these maps beside the denoiser."""
