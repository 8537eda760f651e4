from __future__ import annotations

import ast
from pathlib import Path

import ratelog._core

STUB = Path(ratelog._core.__file__).with_name("_core.pyi")


def stub_classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def test_every_member_of_the_stub_exists() -> None:
    for name, node in stub_classes().items():
        cls = getattr(ratelog._core, name)
        promised = {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
        assert promised <= set(dir(cls)), name
        there = {member for member in vars(cls) if not member.startswith("_")}
        assert there <= promised, name


def test_the_stub_has_exactly_the_names_of_the_module() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    constants = [
        node for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) != "TypeAlias"
    ]
    assigned = {ast.unparse(node.target) for node in constants}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    promised = {*assigned, *functions, *stub_classes()}
    there = {name for name in vars(ratelog._core) if not name.startswith("__")} | {"__version__"}
    assert there - {"_core"} == promised


def test_parameters_have_the_names_of_the_stub() -> None:
    for name, node in stub_classes().items():
        cls = getattr(ratelog._core, name)
        for member in node.body:
            if not isinstance(member, ast.FunctionDef) or member.name.startswith("__"):
                continue
            if any(isinstance(it, ast.Name) and it.id == "property" for it in member.decorator_list):
                continue
            arguments = [it.arg for it in member.args.args + member.args.kwonlyargs if it.arg != "self"]
            signature = getattr(cls, member.name).__text_signature__
            names = [part.split("=")[0].strip() for part in signature.strip("()").split(",")]
            assert [part for part in names if part not in {"$self", "*", "/", ""}] == arguments, (name, member.name)
