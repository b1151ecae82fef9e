"""Image files: decoding, embedded metadata, thumbnails, watermarks, writing PNG by rows. Does not import torch."""
