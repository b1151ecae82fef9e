"""The API over the scripted engine; one server for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.api.serving import Served, serve_api


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_api(tmp_path_factory.mktemp("api")) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=120) as opened:
        yield opened
