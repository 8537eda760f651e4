"""The table of a settings class as the documentation has it, from its fields and their docstrings."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic_core import PydanticUndefined

from ratelog.settings import Endpoint

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

HEADER = "| name | values | default | |\n| --- | --- | --- | --- |\n"

_NAMES: dict[Any, str] = {
    bool: "`true`, `false`",
    str: "text",
    str | None: "text",
    tuple[str, ...]: "list of text",
    tuple[Endpoint, ...]: "list of endpoints",
}


def table_of(model: type[BaseModel]) -> str:
    """The table: a row for each field."""
    docstrings = docstrings_of(model)
    rows = [
        f"| `{name}` | {values(field)} | {default(field)} | {docstrings.get(name, '')} |\n"
        for name, field in model.model_fields.items()
    ]
    return HEADER + "".join(rows)


def docstrings_of(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the fields of a class, each on one line."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    docstrings = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    docstrings[statement.target.id] = " ".join(text.split())
    return docstrings


def values(field: FieldInfo) -> str:
    """The values that a field accepts."""
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in get_args(annotation))
    if annotation in (int, float):
        return _bounds(field)
    if "Limits" in str(annotation):
        return "limits by name" if get_origin(annotation) is dict else "limits, or limits by plan"
    return _NAMES[annotation]


def default(field: FieldInfo) -> str:
    """The default as in a file."""
    value = field.get_default(call_default_factory=True)
    assert value is not PydanticUndefined
    if value is None:
        return "none"
    return f"`{json.dumps(value)}`" if value or value in (0, False) else "empty"


def _bounds(field: FieldInfo) -> str:
    low: Any = next(bound for bound in field.metadata if isinstance(bound, (Ge, Gt)))
    high: Any = next(bound for bound in field.metadata if isinstance(bound, Le))
    return f"{low.ge:,} to {high.le:,}" if isinstance(low, Ge) else f"over {low.gt:,}, at most {high.le:,}"
