"""Every test gets folders of its own: nobody's outputs, journal or checkpoints are touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Threads that wait asleep: torch's default is to spin, which on a busy machine costs more than the work itself.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# However slow a machine is, that is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the folders that Settings would choose at a temporary place. Checkpoints stay readable in ``models/``."""
    monkeypatch.setenv("EASEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EASEL_OUTPUTS", str(tmp_path / "outputs"))
