"""The modules that an import of the package loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = ("fastapi", "starlette", "httpx", "httpx2", "requests")


def loaded_modules(program: str) -> set[str]:
    """The modules that a new interpreter has loaded after a program."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, cwd="/", capture_output=True, text=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "program",
    [
        "import ratelog",
        "from ratelog import Limits, SyncRateLimiter\nSyncRateLimiter('memory://').check('k', '1/minute')",
        "from ratelog import RateLimiter",
    ],
)
def test_web_code_is_not_imported_without_a_web_limiter(program: str) -> None:
    loaded = loaded_modules(program)
    assert "ratelog.sync" in loaded
    assert not {name for name in loaded if name.startswith(("ratelog.web", "ratelog.retry", "ratelog.opentelemetry"))}
    assert loaded.isdisjoint(FRAMEWORKS)


def test_a_limiter_without_an_application_imports_no_framework() -> None:
    loaded = loaded_modules("from ratelog import RateLimiter\nRateLimiter('memory://', default='1/minute')")
    assert "ratelog.web.enforcer" in loaded
    assert loaded.isdisjoint(FRAMEWORKS)


@pytest.mark.parametrize("name", ["Denial", "RateLimitDependency", "RateLimitMiddleware", "hashed"])
def test_lazy_names_are_imported_on_first_use(name: str) -> None:
    assert "ratelog.web" in loaded_modules(f"from ratelog import {name}")


def test_all_names_can_be_imported_at_once() -> None:
    loaded_modules("from ratelog import *\nhashed('x'), RateLimitDependency, RateLimitMiddleware, Denial")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        loaded_modules("import ratelog\nratelog.nothing")
    assert "AttributeError: module 'ratelog' has no attribute 'nothing'" in failed.value.stderr


def test_listed_names_include_the_lazy_ones() -> None:
    loaded_modules(
        "import ratelog\nassert 'hashed' in dir(ratelog)\nassert 'ratelog.web' not in __import__('sys').modules"
    )
