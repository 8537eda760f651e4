"""The layout of the tests, which mirrors that of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import ratelog

TESTS = Path(__file__).parents[1]
PACKAGE = Path(ratelog.__file__).parent
FOLDERS = ["", "cli", "connection", "engine", "retry", "web"]

WITHOUT_TESTS_OF_THEIR_OWN = {
    "": {
        # The part that both limiters share; the tests of the limiters run with each of them.
        "base",
        # test_httpx.py tests both libraries.
        "httpx2",
        # test_admin.py tests the operations of both limiters.
        "sync_admin",
        # cli/test_main.py runs it.
        "__main__",
    },
    "cli": set[str](),
    "connection": set[str](),
    "engine": set[str](),
    "retry": set[str](),
    # Types only; contract/test_public_api.py checks what objects of `web` hold.
    "web": {"parts", "types"},
}


def modules_of(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_test_file_is_named_after_a_module(folder: str) -> None:
    modules = modules_of(folder)
    for file in (TESTS / folder).glob("test_*.py"):
        words = file.stem.removeprefix("test_").split("_")
        names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        assert names & modules, f"{file.name} tests no module of ratelog/{folder}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_module_has_a_test_file(folder: str) -> None:
    tested = {file.stem.removeprefix("test_") for file in (TESTS / folder).glob("test_*.py")}
    assert modules_of(folder) - tested == WITHOUT_TESTS_OF_THEIR_OWN[folder]
