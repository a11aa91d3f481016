"""What tests of the compiler share."""

from pathlib import Path

import pytest

from lossladder.engines.fused import emission, fused, machine_code


@pytest.fixture
def own_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that others have written, compiled or found right; and nothing is left to them."""
    monkeypatch.setenv("LOSSLADDER_CACHE", str(tmp_path))
    monkeypatch.setattr(emission, "_WRITTEN", {})
    monkeypatch.setattr(machine_code, "_LOADED", {})
    monkeypatch.setattr(fused, "_VERIFIED", set())
