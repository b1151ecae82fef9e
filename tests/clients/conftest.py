"""The API over the scripted engine for real clients; one server for all tests of a file."""

from tests.api.conftest import client, served

__all__ = ["client", "served"]
