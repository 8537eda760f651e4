"""The layout of the tests, which mirrors that of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import ratelog

TESTS = Path(__file__).parents[1]
PACKAGE = Path(ratelog.__file__).parent


@pytest.mark.parametrize("folder", ["", "connection", "engine", "retry", "web"])
def test_each_test_file_is_named_after_a_module(folder: str) -> None:
    modules = {path.stem for path in (PACKAGE / folder).glob("*.py")}
    for file in (TESTS / folder).glob("test_*.py"):
        words = file.stem.removeprefix("test_").split("_")
        names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        assert names & modules, f"{file.name} tests no module of ratelog/{folder}"
