"""
How is a Python file read? As a syntax tree, statement by statement, executing nothing.

A name stands for what was bound to it when its statement was passed, so a `Base` that
is assigned twice is two bases. Left out, on purpose:

- classes inside functions and under ``if __name__ == "__main__"``: whether they are
  ever made, and how often, cannot be read;
- ``if TYPE_CHECKING``, ``if 0`` and what stands behind a ``return``: it never runs;
- the classes of a module that calls ``clear_mappers()`` or ``dispose()`` while it is
  imported, and classes that are deleted again.
"""

import ast
from collections import ChainMap, defaultdict
from collections.abc import MutableMapping, Sequence
from typing import TypeAlias

from resilient_auth.orm.bases import Bases
from resilient_auth.orm.branches import (
    NESTED,
    Branch,
    arms_of_branch,
    is_of_machine,
    is_start,
    last_name,
    leaves,
)
from resilient_auth.orm.values import (
    FALSE,
    GOES_ON,
    UNSURE,
    Block,
    Call,
    ClassSite,
    Import,
    Later,
    Source,
    arms_of,
)

_Names: TypeAlias = MutableMapping[str, Later]
_Straight: TypeAlias = ast.With | ast.AsyncWith | ast.For | ast.AsyncFor | ast.While

#: What the body of a class may say to SQLAlchemy, or to us.
_SAID = (
    "__abstract__",
    "__allow_duplicate_name__",
    "__table__",
    "__tablename__",
    "registry",
)


def read_source(
    text: str | bytes, *, file: str, module: str, meanings: Bases
) -> Source:
    """
    Return what *text* says.

    Raises `SyntaxError`, `ValueError`, `RecursionError` or `MemoryError` for what is
    not Python, or is nested too deeply.
    """
    reader = _Reader(Source(file, module), meanings)
    reader.pass_block(ast.parse(text).body, reader.source.names, (), "")
    if reader.forgets:
        reader.source.classes.clear()
    gone = reader.forgotten
    reader.source.classes = [each for each in reader.source.classes if each not in gone]
    return reader.source


class _Reader:
    """Passes the statements of one module in their order."""

    def __init__(self, source: Source, meanings: Bases) -> None:
        self.source = source
        self.meanings = meanings
        self.forgets = False
        self.forgotten: set[ClassSite] = set()
        #: What a class body sees besides its own; not what is in a class around it.
        self._around: _Names = source.names
        #: By qualified name, the classes of that name, and the names of those within.
        self._held: dict[str, list[ClassSite]] = defaultdict(list)
        self._inner: dict[str, list[str]] = defaultdict(list)

    def pass_block(
        self, body: Sequence[ast.stmt], names: _Names | None, block: Block, outer: str
    ) -> None:
        """Pass *body*; *names* is None in a function, of which only imports count."""
        for each in body:
            self._pass(each, names, block, outer)
            if leaves([each]):
                if not isinstance(each, NESTED):
                    return  # what follows never runs
                block = (*block, (each.lineno, GOES_ON))

    def _pass(
        self, each: ast.stmt, names: _Names | None, block: Block, outer: str
    ) -> None:
        match each:
            case ast.Import() | ast.ImportFrom():
                self._import(each, names, block)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = (*block, (each.lineno, UNSURE))
                self.pass_block(each.body, None, inner, outer)
                if names is not None:
                    names[each.name] = Later()
            case ast.ClassDef() if names is not None:
                self._class(each, names, block, outer)
            case ast.ClassDef():
                self.pass_block(each.body, names, block, outer)
            case ast.If() | ast.Try() | ast.TryStar() | ast.Match():
                self._branch(each, names, block, outer)
            case (
                ast.With() | ast.AsyncWith() | ast.For() | ast.AsyncFor() | ast.While()
            ):
                self._straight(each, names, block, outer)
            case _ if names is not None:
                self._simple(each, names, block)

    def _straight(
        self, each: _Straight, names: _Names | None, block: Block, outer: str
    ) -> None:
        """Pass what is no branch, unless it leaves; the ``else`` of a loop may be."""
        if names is not None:
            names.update((name, Later()) for name in _taken(each))
        inner = (*block, (each.lineno, 0)) if leaves([each]) else block
        self.pass_block(each.body, names, inner, outer)
        last = (*block, (each.lineno, 1)) if leaves(each.body) else block
        self.pass_block(getattr(each, "orelse", ()), names, last, outer)

    def _simple(self, each: ast.stmt, names: _Names, block: Block) -> None:
        match each:
            case ast.Assign(targets=targets, value=value):
                label = next((t.id for t in targets if isinstance(t, ast.Name)), "")
                found = self._later(value, names, label)
                for target in targets:
                    whole = isinstance(target, ast.Name)
                    for name in _bound(target):
                        names[name] = found if whole else Later()
                        if whole and isinstance(value, ast.Name):
                            self.source.aliases.add((name, value.id))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names[name] = self._later(value, names, name)
            case ast.Delete(targets=targets):
                for name in (name for target in targets for name in _bound(target)):
                    names.pop(name, None)
                    self._forget(name, itself=True)
            case ast.Expr(value=ast.Call() as call):
                self.source.calls.append((self._call(call, names), block))
                self.forgets |= last_name(call.func) in ("clear_mappers", "dispose")

    def _branch(
        self, branch: Branch, names: _Names | None, block: Block, outer: str
    ) -> None:
        """Pass each arm with names of its own; where both bind one, the first wins."""
        bound: list[_Names] = []
        arms = arms_of_branch(branch, self.source.aliases)
        line = branch.lineno
        unsure = ((line, UNSURE),) if is_of_machine(branch) else ()
        goes_on = ((line, GOES_ON),) if leaves([branch]) else ()
        for number, body in enumerate(arms):
            inner = None if names is None else ChainMap({}, names)
            before = (*block, *(() if leaves(body) else goes_on), *unsure)
            self.pass_block(body, inner, (*before, (line, number)), outer)
            bound += [] if inner is None else [inner.maps[0]]
        for each in reversed(bound):
            if names is not None:
                names.update(each)
        if isinstance(branch, ast.If) and is_start(branch.test):
            self.source.is_script = True
            self.pass_block(branch.body, None, (*block, (line, 0)), outer)
        if isinstance(branch, ast.Try | ast.TryStar):
            self.pass_block(branch.finalbody, names, block, outer)

    def _import(
        self, each: ast.Import | ast.ImportFrom, names: _Names | None, block: Block
    ) -> None:
        for alias in each.names:
            top = alias.name.partition(".")[0]
            if isinstance(each, ast.ImportFrom):
                name = None if alias.name == "*" else alias.name
                what = Import(each.module or "", each.level, name, block)
                value, bound = what, alias.asname or alias.name
            else:
                what = Import(alias.name, 0, None, block)
                value = what if alias.asname else Import(top, 0, None, block)
                bound = alias.asname or top
            self.source.imports.append(what)
            if bound == "*":
                self.source.stars.append(what)
            elif names is not None:
                names[bound] = self._imported(value)
            if what.name is not None and what.name != bound:
                self.source.aliases.add((bound, what.name))

    def _imported(self, what: Import) -> Later:
        file, meanings = self.source.file, self.meanings
        return Later(lambda: meanings.imported(file, what), is_made=False)

    def _class(
        self, each: ast.ClassDef, names: _Names, block: Block, outer: str
    ) -> None:
        qualname = f"{outer}.{each.name}" if outer else each.name
        self._around = self._around if outer else names
        inner = ChainMap[str, Later]({}, self._around)
        self._forget(qualname, itself=False)
        self.pass_block(each.body, inner, block, qualname)
        body = inner.maps[0]
        site = ClassSite(
            file=self.source.file,
            module=self.source.module,
            qualname=qualname,
            line=min([each.lineno, *(how.lineno for how in each.decorator_list)]),
            block=arms_of(block),
            bases=tuple(
                (last_name(base) or "", self._later(base, names)) for base in each.bases
            ),
            named=self._named(each.keywords, names),
            decorators=tuple(self._later(how, names) for how in each.decorator_list),
            says={name: body[name] for name in _SAID if name in body},
            is_table=any(
                word.arg == "table" and _is_true(word.value) for word in each.keywords
            ),
            extends_existing=any(map(_extends_existing, each.body)),
        )
        names[each.name] = Later(lambda: self.meanings.defined(site))
        self.source.classes.append(site)
        self._held[qualname].append(site)
        self._inner[outer].append(qualname)

    def _forget(self, path: str, *, itself: bool) -> None:
        """Leave out what is in the class at *path*: nobody holds it any more."""
        waiting = [path] if itself else self._inner.pop(path, [])
        while waiting:
            each = waiting.pop()
            waiting += self._inner.pop(each, ())
            self.forgotten.update(self._held.pop(each, ()))

    def _later(self, value: ast.expr, names: _Names, label: str = "") -> Later:
        """Return what *value* stands for, as far as it can be read."""
        meanings, file = self.meanings, self.source.file
        match value:
            case ast.Name(id=name):
                stars = tuple(self.source.stars)
                return names.get(name) or Later(
                    lambda: meanings.starred(file, stars, name)
                )
            case ast.Attribute(value=owner, attr=name):
                inner = self._later(owner, names)
                return Later(lambda: meanings.attribute(inner.get(), name))
            case ast.Subscript(value=owner):  # Base[int], Generic[T]
                return self._later(owner, names)
            case ast.Call():
                call = self._call(value, names, label)
                return Later(lambda: meanings.called(call))
            case ast.Constant(value=constant) if not constant:
                return Later(lambda: FALSE)
        return Later()

    def _call(self, call: ast.Call, names: _Names, label: str = "") -> Call:
        return Call(
            key=(self.source.file, call.lineno, call.col_offset),
            label=f"{self.source.module}.{label}".rstrip("."),
            function=self._later(call.func, names),
            given=tuple(self._later(each, names) for each in call.args),
            named=self._named(call.keywords, names),
            allow=_allowed(call.keywords),
            warns=any(map(_warns, call.keywords)),
        )

    def _named(
        self, keywords: Sequence[ast.keyword], names: _Names
    ) -> dict[str, Later]:
        return {
            each.arg: self._later(each.value, names) for each in keywords if each.arg
        }


def _taken(each: _Straight) -> list[str]:
    """Return the names that a loop or a ``with`` binds before its body."""
    match each:
        case ast.For(target=target) | ast.AsyncFor(target=target):
            return _bound(target)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            targets = (item.optional_vars for item in items)
            return [name for one in targets if one is not None for name in _bound(one)]
    return []


def _bound(target: ast.expr) -> list[str]:
    """Return the names that an assignment to *target* binds."""
    return [
        each.id
        for each in ast.walk(target)
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)
    ]


def _extends_existing(each: ast.stmt) -> bool:
    """Say whether the statement sets ``extend_existing=True`` for a table."""
    if not isinstance(each, ast.Assign | ast.AnnAssign) or each.value is None:
        return False
    said: list[tuple[object, ast.expr]] = []
    for part in ast.walk(each.value):
        match part:
            case ast.keyword(arg=name, value=value):
                said.append((name, value))
            case ast.Dict(keys=keys, values=values):
                names = (getattr(key, "value", None) for key in keys)
                said += zip(names, values, strict=True)
    return any(name == "extend_existing" and _is_true(value) for name, value in said)


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _warns(word: ast.keyword) -> bool:
    """Say whether *word* is ``on_duplicate="warn"``, or might be."""
    value = word.value
    strict = isinstance(value, ast.Constant) and value.value == "error"
    return word.arg == "on_duplicate" and not strict


def _allowed(keywords: Sequence[ast.keyword]) -> frozenset[str] | None:
    """Return the names of ``allow=[…]``, None if they are not written out."""
    for each in keywords:
        if each.arg is None:  # **options may hold anything
            return None
        if each.arg == "allow":
            return _texts(each.value)
    return frozenset()


def _texts(value: ast.expr) -> frozenset[str] | None:
    items = getattr(value, "elts", None)
    if items is None and isinstance(value, ast.Call) and len(value.args) == 1:
        return _texts(value.args[0])  # frozenset({"User"})
    if items is None or not all(isinstance(each, ast.Constant) for each in items):
        return None
    return frozenset(str(each.value) for each in items)
