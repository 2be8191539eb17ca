"""
Which statements of a Python file never run, or not together? Read from its branches.

The arms of an ``if``, a ``try`` or a ``match`` are alternatives, and what follows one
that leaves is another. What a test of the machine decides is decided once, for the
whole program.
"""

import ast
from collections.abc import Collection, Sequence
from typing import TypeAlias

Branch: TypeAlias = ast.If | ast.Try | ast.TryStar | ast.Match
Arms: TypeAlias = list[Sequence[ast.stmt]]
#: What has statements of the same function in it.
NESTED = (
    *(ast.If, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match, ast.match_case),
    *(ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While),
)

_TYPING = "TYPE_CHECKING"
#: Functions that do not return.
_EXITS = ("exit", "_exit")
#: Attributes of `sys` that are the same whenever a program runs on one machine.
_FIXED = ("version_info", "hexversion", "platform")


def arms_of_branch(branch: Branch, aliases: Collection[tuple[str, str]]) -> Arms:
    """
    Return the arms of *branch*, an elif among them, without what never runs.

    *aliases* are the names, each with what it stands for, that the file has given.
    """
    if isinstance(branch, ast.Match):
        return [each.body for each in branch.cases]
    if not isinstance(branch, ast.If):
        first = [*branch.body, *branch.orelse]
        return [first, *(each.body for each in branch.handlers)]
    arms: Arms = []
    while True:
        test, last = branch.test, branch.orelse
        never = is_never(test, aliases) or is_start(test)
        arms.append(() if never else branch.body)
        if isinstance(test, ast.UnaryOp) and is_never(test.operand, aliases):
            return [*arms, ()]
        if len(last) != 1 or not isinstance(last[0], ast.If):
            return [*arms, last]
        branch = last[0]


def leaves(body: Sequence[ast.stmt]) -> bool:
    """Say whether *body* may end a function, one turn of a loop, or the program."""
    waiting: list[tuple[ast.AST, bool]] = [(each, False) for each in body]
    while waiting:
        each, is_in_loop = waiting.pop()
        match each:
            case ast.Return() | ast.Raise():
                return True
            case ast.Continue() | ast.Break() if not is_in_loop:
                return True
            case ast.Expr(value=ast.Call(func=function)):
                if last_name(function) in _EXITS:
                    return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case _ if isinstance(each, NESTED):
                is_in_loop |= isinstance(each, ast.For | ast.AsyncFor | ast.While)
                below = ast.iter_child_nodes(each)
                waiting += ((child, is_in_loop) for child in below)
    return False


def is_never(test: ast.expr, aliases: Collection[tuple[str, str]] = ()) -> bool:
    """Say whether *test* is surely false: a constant, or ``TYPE_CHECKING``."""
    match test:
        case ast.Constant(value=value):
            return not value
        case ast.BoolOp(op=ast.And(), values=values):
            return any(is_never(each, aliases) for each in values)
        case ast.BoolOp(values=values):
            return all(is_never(each, aliases) for each in values)
    name = last_name(test)
    return name == _TYPING or (name, _TYPING) in aliases


def is_of_machine(branch: Branch) -> bool:
    """Say whether an ``if`` asks for what does not change while a program runs."""
    parts = ast.walk(branch.test) if isinstance(branch, ast.If) else ()
    return any(getattr(each, "attr", "") in _FIXED for each in parts)


def is_start(test: ast.expr) -> bool:
    """Say whether *test* compares ``__name__``: the file was started as a script."""
    return isinstance(test, ast.Compare) and last_name(test.left) == "__name__"


def last_name(value: ast.expr) -> str | None:
    """Return the last part of ``a.b.c`` or ``a.b.c[…]``, None for anything else."""
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=owner):
            return last_name(owner)
    return None
