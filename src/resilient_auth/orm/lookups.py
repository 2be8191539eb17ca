"""
Which names does a mapped class look up as strings? Read from its source.

SQLAlchemy tells the first string that it cannot resolve, and no line. So the sources of
a class that cannot be configured are read for every string of its relationships: the
target, ``secondary``, ``primaryjoin``, ``order_by`` and the others, and annotations in
quotes. With ``from __future__ import annotations`` every annotation is in quotes.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from resilient_auth.orm.places import namespace_of, real_file

#: The arguments of a relationship that are evaluated when they are strings.
_EVALUATED = frozenset(
    {
        *("argument", "secondary", "primaryjoin", "secondaryjoin", "order_by"),
        *("foreign_keys", "remote_side"),
    }
)
_POSITIONAL = 2  # argument and secondary
#: Packages in which no model is defined.
_WITHOUT = frozenset({*sys.stdlib_module_names, "sqlalchemy", "sqlmodel", "pydantic"})


@dataclass(frozen=True, slots=True)
class Lookup:
    """
    One dotted *name* that *attribute*, as ``module.Class.attribute``, looks up.

    *is_annotation* if the names of the module count besides those of the registry.
    """

    attribute: str
    name: str
    file: str
    line: int
    is_annotation: bool


@dataclass(frozen=True, slots=True)
class Miss:
    """
    A *lookup* that does not mean one class, but *found*: none or several.

    *elsewhere* are classes of that name in other registries; *near* is the name of a
    class that may have been meant.
    """

    lookup: Lookup
    found: tuple[type, ...]
    elsewhere: tuple[type, ...] = ()
    near: str = ""


def lookups_in(classes: Iterable[type]) -> list[Lookup]:
    """Return what *classes*, and those they derive from, look up as strings."""
    read = cache(_parsed)
    related = dict.fromkeys(each for cls in classes for each in cls.__mro__)
    return [
        found
        for cls in related
        if cls.__module__.partition(".")[0] not in _WITHOUT
        for found in _lookups_of(cls, read)
    ]


def _lookups_of(
    cls: type, read: Callable[[str], ast.Module | None]
) -> Iterator[Lookup]:
    file = real_file(namespace_of(sys.modules.get(cls.__module__)))
    tree = None if file is None else read(file)
    if file is None or tree is None:
        return
    is_quoted = any(
        isinstance(each, ast.ImportFrom)
        and each.module == "__future__"
        and any(name.name == "annotations" for name in each.names)
        for each in tree.body
    )
    path = f"{cls.__module__}.{cls.__qualname__}"
    for statement in _body_of(tree, cls.__qualname__.split(".")):
        attribute = f"{path}.{_bound(statement)}"
        for name, line, is_annotation in _strings(statement, is_quoted=is_quoted):
            yield Lookup(attribute, name, file, line, is_annotation)


def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _body_of(tree: ast.Module, path: Sequence[str]) -> Sequence[ast.stmt]:
    """Return the body of the last class at *path*; functions are looked through."""
    body: Sequence[ast.stmt] = tree.body
    for name in path:
        if name != "<locals>":
            found = [
                each
                for statement in body
                for each in ast.walk(statement)
                if isinstance(each, ast.ClassDef | ast.FunctionDef)
                and each.name == name
            ]
            body = found[-1].body if found else ()
    return body


def _bound(statement: ast.stmt) -> str:
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name), *_])
            | ast.AnnAssign(target=ast.Name(id=name))
            | ast.FunctionDef(name=name)
        ):
            return name
    return "…"


def _strings(
    statement: ast.stmt, *, is_quoted: bool
) -> Iterator[tuple[str, int, bool]]:
    """Yield name, line, and whether it is of an annotation."""
    calls = [
        each
        for each in ast.walk(statement)
        if isinstance(each, ast.Call) and _is_relationship(each.func)
    ]
    for call in calls:
        for text in _evaluated(call):
            for name in _names_in(text.value, is_annotation=False):
                yield name, text.lineno, False
    target = calls and not calls[0].args
    if target and isinstance(statement, ast.AnnAssign):
        if is_quoted:
            names = _dotted(statement.annotation, is_annotation=True)
        else:
            names = (
                name
                for text in _texts(statement.annotation)
                for name in _names_in(text, is_annotation=True)
            )
        for name in names:
            yield name, statement.lineno, True


def _is_relationship(function: ast.expr) -> bool:
    name = getattr(function, "attr", getattr(function, "id", ""))
    return str(name).lower().endswith("relationship")


def _evaluated(call: ast.Call) -> Iterator[ast.Constant]:
    """Yield the strings in *call* that SQLAlchemy evaluates, also those of SQLModel."""
    for given in call.args[:_POSITIONAL]:
        yield from _constants(given)
    for part in ast.walk(call):
        match part:
            case ast.keyword(arg=str(name), value=value) if name in _EVALUATED:
                yield from _constants(value)
            case ast.Dict(keys=keys, values=values):  # sa_relationship_kwargs={…}
                for key, value in zip(keys, values, strict=True):
                    if getattr(key, "value", None) in _EVALUATED:
                        yield from _constants(value)


def _constants(value: ast.expr) -> Iterator[ast.Constant]:
    """Yield the string that *value* is, or those in the list that it is."""
    for each in getattr(value, "elts", [value]):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each


def _texts(value: ast.expr) -> Iterator[object]:
    for each in ast.walk(value):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _names_in(text: object, *, is_annotation: bool) -> Iterator[str]:
    """Yield the dotted names of an expression in a string."""
    try:
        tree = ast.parse(str(text).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from _dotted(tree.body, is_annotation=is_annotation)


def _dotted(value: ast.expr, *, is_annotation: bool) -> Iterator[str]:
    """
    Yield ``a.b.c`` for each name with its attributes in *value*.

    A string in an annotation holds names too; in an expression it is a literal.
    """
    inner: list[ast.expr] = [value]
    while inner:
        each = inner.pop()
        path = _path(each)
        if path:
            yield path
        elif isinstance(each, ast.Constant):
            if is_annotation and isinstance(each.value, str):
                yield from _names_in(each.value, is_annotation=True)
        else:
            below = ast.iter_child_nodes(each)
            inner += [child for child in below if isinstance(child, ast.expr)]


def _path(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            outer = _path(owner)
            return f"{outer}.{name}" if outer else ""
    return ""
