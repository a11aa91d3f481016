"""What is left when a door has been opened: shared by the tests that open doors."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHORT = ("trainer.max_steps=100", "trainer.progress=false")


@dataclass(frozen=True)
class Left:
    """How a door was left."""

    code: int
    out: str
    err: str
    logs: Path

    @property
    def folders(self) -> list[Path]:
        """Folders of the runs in `logs`, oldest first."""
        return sorted(path.parent for path in self.logs.rglob("config.yaml"))

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads((folder / "result.json").read_text()) for folder in self.folders]

    @property
    def anything(self) -> bool:
        """Whether a folder of logs was left at all."""
        return self.logs.exists()

    @property
    def complaint(self) -> str:
        """What was said to be wrong: one line."""
        (line,) = self.err.splitlines()
        return line


Door = Callable[..., Left]
