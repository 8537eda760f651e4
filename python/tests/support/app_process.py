"""Applications in processes of their own, with an interpreter of any environment."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import httpx

from .server import free_port
from .wait import TIMEOUT, until_sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RATELOG_")}
"""The environment without settings of limiters."""


class AppProcess:
    """The application `app` of a module's source, served by uvicorn."""

    def __init__(
        self, source: str, folder: Path, python: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Serves with the interpreter `python` and its options."""
        self.port = free_port()
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text(source)
        arguments = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [python, *options, *arguments, "--log-level", "warning"],
            cwd=folder,
            env={**ENVIRONMENT, **(environment or {})},
        )
        try:
            until_sync(f"the application in {folder.name} listens", self._listens)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "the application exited"
        try:
            httpx.get(f"{self.url}/openapi.json").raise_for_status()
        except httpx.TransportError:
            return False
        return True
