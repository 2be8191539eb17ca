"""
Which registry will a class of the source be in? Told from the names it derives from.

=====================================  ==========================================
a class that derives from              is mapped, in the registry of
=====================================  ==========================================
a ``DeclarativeBase`` subclass         that subclass, or of its ``registry =``
``declarative_base()``, ``db.Model``   that call
``registry().generate_base()``         that registry; ``@registry.mapped`` and
                                       ``registry.map_imperatively()`` too
``SQLModel``, and says `table=True`    SQLModel, or of its ``registry=``
a name that leads out of the source    that name, if it is called like a base and
                                       the class itself names its table
=====================================  ==========================================

Everything else is not judged: a mixin, an ``__abstract__`` class, a schema, a base that
cannot be told. Silence about a conflict is better than a false alarm.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from resilient_auth.orm.tree import Tree
from resilient_auth.orm.values import (
    Base,
    Call,
    ClassSite,
    Database,
    Import,
    Later,
    Method,
    Module,
    Outside,
    Registry,
    Rule,
    Source,
    Unknown,
    Value,
)

#: Names of these packages are known by what they do, also where their source is read.
_VENDORS = ("sqlalchemy", "sqlmodel", "flask_sqlalchemy", "resilient_auth")
_ROOTS = ("sqlalchemy.DeclarativeBase", "sqlalchemy.DeclarativeBaseNoMeta")
_REGISTRIES = ("sqlalchemy.registry", "resilient_auth.GuardedRegistry")
_BASES = ("sqlalchemy.declarative_base", "sqlalchemy.automap_base")
_DATABASE = "flask_sqlalchemy.SQLAlchemy"
_DECORATOR = "sqlalchemy.as_declarative"
_DATACLASS = "sqlalchemy.mapped_as_dataclass"
_META = "sqlalchemy.DeclarativeMeta"
_SQLMODEL = "sqlmodel.SQLModel"
_GUARD = "resilient_auth.guard_models"
_MAKERS = frozenset(
    (
        *_ROOTS,
        *_REGISTRIES,
        *_BASES,
        _DATABASE,
        _DECORATOR,
        _DATACLASS,
        _META,
        _SQLMODEL,
    )
)
#: What they are called, wherever they come from.
MAKERS = frozenset(each.rpartition(".")[2] for each in _MAKERS)
#: Their classes are no bases of models, whatever they are called.
_NO_ORM = (
    *_VENDORS,
    *("abc", "collections", "django", "enum", "pydantic", "typing"),
    "typing_extensions",
)
#: What bases of models are called: Base, DbModel, BASE, BaseV2.
_BASE_NAME = re.compile(r"(?:Base|BASE|Model|Entity)(?:_?[vV]?\d+)?$")


class Bases:
    """Tells what names mean over all files of *tree*; *load* reads one of them."""

    def __init__(self, tree: Tree, load: Callable[[str], Source | None]) -> None:
        self._tree = tree
        self._load = load
        self._looking: set[tuple[str, str]] = set()

    def registry_of(self, site: ClassSite) -> Registry | None:
        """Return the registry that will hold *site*, None if it is not mapped."""
        if site.says_yes("__abstract__"):
            return None
        decorator = _decorator(site)
        if decorator is not None and decorator.name.startswith("mapped"):
            return decorator.registry
        base = self.defined(site)
        if not isinstance(base, Base) or base.is_root:
            return None
        is_mapped = {
            "always": True,
            # SQLModel does not map a table that derives from a table.
            "table": site.is_table
            and not any(each.is_table for each in self.ancestors_of(site)),
            "named": site.says_yes("__tablename__", "__table__"),
            "decorated": False,
        }
        return base.registry if is_mapped[base.rule] else None

    def mapped_by_call(self, call: Call) -> Iterator[tuple[Registry, ClassSite]]:
        """Yield the class that *call* maps, as ``registry.map_imperatively`` does."""
        match call.function.get(), [each.get() for each in call.given[:1]]:
            case Method(registry, "map_imperatively"), [ClassSite() as site]:
                yield registry, site

    def ruled_by_call(self, call: Call) -> Registry | None:
        """Return what `guard_models` says in *call*; key None: of any base there is."""
        if call.function.get() != Outside(_GUARD):
            return None
        base = call.given[0] if call.given else call.named.get("base", Later())
        match base.get():
            case Base(registry=owner):
                key = owner.key
            case Registry(key=key):
                pass
            case Outside(name="sqlmodel.SQLModel" as key):
                pass
            case _:
                key = None
        return Registry(key, "", allow=call.allow, warns=call.warns)

    def ancestors_of(self, site: ClassSite) -> Iterator[ClassSite]:
        """Yield the classes that *site* derives from, as far as they are known."""
        waiting, seen = [site], {site}
        while waiting:
            for _, later in waiting.pop().bases:
                value = later.get()
                above = value.site if isinstance(value, Base) else value
                if isinstance(above, ClassSite) and above not in seen:
                    seen.add(above)
                    waiting.append(above)
                    yield above

    def imported(self, file: str, what: Import) -> Value:
        """Return what the import in *file* brings."""
        path = f"{what.module}.{what.name}" if what.name else what.module
        if not what.level and _top(path) in _VENDORS:
            return _outside(path)
        found = self._tree.find(file, what.module, what.level)
        if found is None:
            return Unknown() if what.level else Outside(path)
        if what.name is None:
            return Module(found)
        if found == file:  # a package takes a module of its own
            child = self._tree.child(found, what.name)
            return Unknown() if child is None else Module(child)
        return self._member(found, what.name) or Unknown()

    def starred(self, file: str, stars: Sequence[Import], name: str) -> Value:
        """Return what the last of the *stars* that surely has *name* means by it."""
        for star in reversed(stars):
            found = self.imported(file, replace(star, name=name))
            is_known = not isinstance(found, Outside) or found.name in _MAKERS
            if is_known and found != Unknown():
                return found
        return Unknown()

    def _member(self, path: str, name: str) -> Value | None:
        """Return what the module at *path* calls *name*."""
        if (path, name) in self._looking:  # a circle of star imports
            return None
        module = self._tree.module_of(path)
        if _top(module) in _VENDORS:
            return _outside(f"{module}.{name}")
        source = self._load(path)
        if source is not None and name in source.names:
            return source.names[name].get()
        child = self._tree.child(path, name)
        if child is not None:
            return Module(child)
        if source is None:
            return None
        self._looking.add((path, name))
        try:
            return self.starred(path, source.stars, name)
        finally:
            self._looking.discard((path, name))

    def attribute(self, value: Value, name: str) -> Value:
        """Return what ``value.name`` is."""
        match value:
            case Outside(name=owner):
                return _outside(f"{owner}.{name}")
            case Module(path=path):
                return self._member(path, name) or Unknown()
            case Registry():
                return Method(value, name)
            case Database(registry=registry) if name == "Model":
                return Base(registry, "always")
            case Base(registry=registry) if name == "registry":
                return registry
            case Unknown(key=key) if key is not None:
                return Unknown((key, name), is_call=True)
        return Unknown()

    def called(self, call: Call) -> Value:
        """Return what *call* makes."""
        registry = Registry(call.key, call.label)
        match call.function.get():
            case Outside(name=name) if name in _BASES:
                return Base(registry, "always")
            case Outside(name=name) as function if name in _REGISTRIES:
                return _shared_by(call) or replace(
                    registry,
                    # A class of registries may have rules of its own.
                    allow=None if function.is_derived else call.allow,
                    warns=call.warns,
                )
            case Outside(name="flask_sqlalchemy.SQLAlchemy"):
                return Database(_ruled_like(registry, call.named.get("model_class")))
            case Outside(name="sqlalchemy.as_declarative"):
                return Method(registry, "as_declarative_base")
            case Outside(name="sqlalchemy.mapped_as_dataclass") if call.given:
                given = call.given[0].get()
                if isinstance(given, Registry):
                    return Method(given, "mapped")
            case Method(name="generate_base", registry=owner):
                return Base(owner, "always")
            case Method() as method:
                return method
        return Unknown(call.key, is_call=True)

    def defined(self, site: ClassSite) -> Value:
        """Return what *site* is to the classes that derive from it."""
        decorator = _decorator(site)
        if decorator is not None:
            is_root = decorator.name == "as_declarative_base"
            rule: Rule = "always" if is_root else "decorated"
            return Base(decorator.registry, rule, site, is_root=is_root)
        own = _given_registry(site, site.named)
        bases = [(name, later.get()) for name, later in site.bases]
        outside = [each.name for _, each in bases if isinstance(each, Outside)]
        if _meta(site) == _META or any(name in _ROOTS for name in outside):
            own = _given_registry(site, site.says)
            registry = replace(own or Registry(site, ""), label=site.path)
            return Base(registry, "always", site, is_root=True)
        if _SQLMODEL in outside:
            return Base(own or Registry(_SQLMODEL, _SQLMODEL), "table", site)
        for _, each in bases:
            if isinstance(each, Base) and each.rule != "named":
                return Base(own or each.registry, each.rule, site)
        for name in outside:
            if name in _MAKERS:
                return Outside(name, is_derived=True)
        guessed = [
            each.registry if isinstance(each, Base) else each
            for name, each in bases
            if isinstance(each, Base) or _is_like_a_base(name, each)
        ]
        if not guessed:
            return site
        if not site.says_yes("__tablename__", "__table__"):  # or it may be a column
            own = own or _given_registry(site, site.says)
        return Base(own or _registry_of_all(guessed), "named", site)


def _given_registry(site: ClassSite, names: Mapping[str, Later]) -> Registry | None:
    """Return what *names*, of the body or the keywords of *site*, call its registry."""
    found = names["registry"].get() if "registry" in names else None
    if found is None or isinstance(found, Registry):
        return found
    return Registry((site, found), site.path)


def makes_models(value: Value) -> bool:
    """Say whether classes are mapped by *value*, or by what derives from it."""
    match value:
        case Base() | Registry() | Method() | Database():
            return True
        case Outside(name=name):
            return name in _MAKERS
    return False


def _registry_of_all(guessed: Sequence[Value]) -> Registry:
    """
    Return the registry of a class that derives from all that is *guessed* to be a base.

    One of them may be a mixin, so they stand for one registry only all together.
    """
    if len(guessed) == 1 and isinstance(guessed[0], Registry):
        return guessed[0]
    named = (each for each in guessed if isinstance(each, Outside | Registry))
    labels = (each.name if isinstance(each, Outside) else each.label for each in named)
    return Registry(tuple(guessed), ", ".join(filter(None, labels)))


def _top(path: str) -> str:
    return path.partition(".")[0]


def _outside(path: str) -> Outside:
    """Return what is called *path*; a vendor may move it between its modules."""
    known = f"{_top(path)}.{path.rpartition('.')[2]}"
    return Outside(known if known in _MAKERS else path)


def _decorator(site: ClassSite) -> Method | None:
    """Return the first decorator of *site* that comes from a registry."""
    values = (later.get() for later in site.decorators)
    return next((each for each in values if isinstance(each, Method)), None)


def _meta(site: ClassSite) -> str:
    value = site.named["metaclass"].get() if "metaclass" in site.named else None
    return value.name if isinstance(value, Outside) else ""


def _shared_by(call: Call) -> Registry | None:
    """Return the registry whose names *call* gives to another, if it does."""
    names = call.named.get("class_registry")
    shared = None if names is None else names.get()
    if isinstance(shared, Method) and shared.name == "names":
        return shared.registry
    return None


def _ruled_like(registry: Registry, model: Later | None) -> Registry:
    """Return *registry* with the rules that the class *model* brings along."""
    base = None if model is None else model.get()
    if isinstance(base, Base):
        return replace(registry, allow=base.registry.allow, warns=base.registry.warns)
    return registry


def _is_like_a_base(name: str, value: Value) -> bool:
    """Say whether a class that names its table and derives from *name* is a model."""
    match value:
        case Outside(name=path) if _top(path) in _NO_ORM:
            return False
        case Outside() | Unknown(is_call=True):
            return _BASE_NAME.search(name) is not None
    return False
