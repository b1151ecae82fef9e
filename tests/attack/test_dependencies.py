"""No version in constraints.txt has a publicly known vulnerability."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from engine.settings import HOUSE


@pytest.mark.long
def test_no_dependency_has_a_known_vulnerability() -> None:
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([*command, "-r", HOUSE / "constraints.txt"], capture_output=True, text=True, timeout=280, check=False)
    if not done.stdout:
        pytest.skip(f"pip-audit cannot ask the package index: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout)["dependencies"]
    audited = [package for package in found if "vulns" in package]
    if not audited:
        pytest.skip("This package index publishes no advisories, so nothing was checked.")
    known = {f"{package['name']} {package['version']}": [vuln["id"] for vuln in package["vulns"]] for package in audited}
    assert {name: ids for name, ids in known.items() if ids} == {}
