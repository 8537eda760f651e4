"""The settings: each is documented, and an argument of the limiters."""

from __future__ import annotations

import pytest

from ratelog import Endpoint, Settings
from ratelog.base import Options
from ratelog.settings import RELOADABLE
from support.server import ROOT
from support.settings_table import HEADER, docstrings_of, table_of


@pytest.mark.parametrize("model", [Settings, Endpoint])
def test_each_field_has_a_docstring(model: type[Settings | Endpoint]) -> None:
    assert list(docstrings_of(model)) == list(model.model_fields)


@pytest.mark.parametrize("model", [Settings, Endpoint])
def test_the_documentation_has_a_table_of_all_fields(model: type[Settings | Endpoint]) -> None:
    page = (ROOT / "docs/python.md").read_text()
    tables = [HEADER + rest.split("\n\n")[0] + "\n" for rest in page.split(HEADER)[1:]]
    assert len(tables) == 2
    assert table_of(model) == tables[0 if model is Settings else 1]


def test_each_setting_is_an_argument_of_the_limiters() -> None:
    # `url` is their positional argument.
    assert set(Options.__annotations__) == set(Settings.model_fields) - {"url"}


def test_settings_that_may_change_exist() -> None:
    assert set(Settings.model_fields) >= RELOADABLE
