"""The name under which programs import the blob folder; it lives in :mod:`engine.storage.blobs`."""

from engine.storage.blobs import Blobs

__all__ = ["Blobs"]
