"""The run: from a request to images on disk, in numbered phases."""
