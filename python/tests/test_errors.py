"""The bases of the exceptions, by which programs catch them."""

from __future__ import annotations

import pytest

from ratelog import ConfigError, NeedsModuleError, NoPolicyError, RatelogError, UnavailableError


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (ConfigError, ValueError),
        (NoPolicyError, LookupError),
        (NeedsModuleError, Exception),
        (UnavailableError, Exception),
    ],
)
def test_an_exception_is_caught_by_ratelogs_base_and_by_the_standard_one(
    error: type[Exception], base: type[Exception]
) -> None:
    assert issubclass(error, RatelogError)
    assert issubclass(error, base)
