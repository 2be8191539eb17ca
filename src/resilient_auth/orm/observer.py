"""
May this class take this name? Asked for bases that exist already.

Theory of operation
-------------------
A base of somebody else's (SQLModel, Flask-SQLAlchemy, automap, a legacy base) brings
its own registry, whose mapping of names we cannot replace. SQLAlchemy's public event
``after_mapper_constructed`` tells of every class of every base, but late: by then
table, name and mapper exist, and stay. So what is refused here is refused for the life
of the process, and the error says so. `GuardedRegistry` refuses before; where it
guards, this does not.

SQLAlchemy's own "Table is already defined" comes earlier still, and hides a second
class on the same table from this event. `check_models` finds it by its consequences.

One listener serves all guards. What it knows is kept by registry and goes with it; the
classes are held weakly.
"""

import gc
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper, registry

from resilient_auth.errors import ConfigError, DuplicateModelError
from resilient_auth.orm.guard import GuardedRegistry
from resilient_auth.orm.mappers import is_in_use, mappers_below, target_of
from resilient_auth.orm.places import is_reachable
from resilient_auth.orm.record import Record
from resilient_auth.orm.rules import OnDuplicate, Rules

_EVENT = "after_mapper_constructed"


def guard_models(
    base: type | registry | None = None,
    *,
    on_duplicate: OnDuplicate = "error",
    allow: Iterable[str] = (),
) -> None:
    """
    Refuse a second class of one name in *base*: for bases that exist already.

    ::

        guard_models(SQLModel)
        guard_models(db.Model)  # Flask-SQLAlchemy
        guard_models()  # every base there is, and will be

    Call it before the models are imported; those that are there already are judged at
    once. *base* is a declarative base, its registry, or a class whose subclasses are
    tables; without one, every registry is guarded by itself. Settings of one base come
    before those for all. *on_duplicate* and *allow* are those of `GuardedRegistry`.

    Costs nothing once the classes are defined, and nothing per query. A base is guarded
    for the life of the process. The same call again installs the guard anew where
    mapper events were cleared, judges what came meanwhile, and raises again what is
    still refused.

    Raises: `DuplicateModelError`, now or where the second class is defined. SQLAlchemy
    has taken it in then, so the process has to be restarted. `ConfigError` for what is
    no base, and for other settings of a base that is guarded.
    """
    rules = Rules.checked(on_duplicate, allow)
    _OBSERVER.guard(None if base is None else target_of(base), rules)


def record_of(owner: registry) -> Record:
    """Return what the guard of *owner* saw, or strict rules where there is none."""
    if isinstance(owner, GuardedRegistry):
        return owner.names.record
    observed = _OBSERVER.observed.get(owner)
    return Record(Rules()) if observed is None else observed.record


class _Observed:
    """The names of one registry that somebody else made."""

    def __init__(self, rules: Rules) -> None:
        self.record = Record(rules, guard="guard_models", is_late=True)
        self._names: weakref.WeakValueDictionary[str, type] = (
            weakref.WeakValueDictionary()
        )
        #: By which rules each was let in; a class that is mapped anew has a new mapper.
        self._let_in: weakref.WeakKeyDictionary[Mapper[Any], Rules] = (
            weakref.WeakKeyDictionary()
        )

    def take(self, mapper: Mapper[Any]) -> None:
        """Let the class of *mapper* have its name, unless that is refused."""
        if self._let_in.get(mapper) == self.record.rules:
            return
        cls = mapper.class_
        old = self._living(cls.__name__)
        if old is not None and old is not cls:
            self.record.judge(old, cls, self._classes())
        self._names[cls.__name__] = cls
        self._let_in[mapper] = self.record.rules

    def _living(self, name: str) -> type | None:
        """Return the class of that name, once it is known to be no garbage."""
        old = self._names.get(name)
        if old is not None and not is_reachable(old):
            del old
            gc.collect()
            old = self._names.get(name)
        return old if is_in_use(old) else None

    def _classes(self) -> Iterator[type]:
        living = [each() for each in self._names.valuerefs()]
        return (each for each in living if each is not None)


class _Observer:
    """Hears of every mapper, and asks the guard of its registry."""

    def __init__(self) -> None:
        self.observed: weakref.WeakKeyDictionary[registry, _Observed] = (
            weakref.WeakKeyDictionary()
        )
        #: By base or registry; None is for all.
        self._rules: weakref.WeakKeyDictionary[object, Rules] = (
            weakref.WeakKeyDictionary()
        )
        self._rules_for_all: Rules | None = None

    def guard(self, target: type | registry | None, rules: Rules) -> None:
        """Guard *target*, None for all; judge what it has, in the order of modules."""
        if isinstance(target, GuardedRegistry):
            raise ConfigError(
                "This base has a GuardedRegistry, which refuses earlier and heals; its "
                "settings are GuardedRegistry(on_duplicate=…, allow=…)."
            )
        known = self._rules_for_all if target is None else self._rules.get(target)
        if known is not None and known != rules:
            raise ConfigError(
                f"{'Everything' if target is None else target!r} is guarded already, "
                "with other settings; call guard_models once for a base."
            )
        if target is None:
            self._rules_for_all = rules
        else:
            self._rules[target] = rules
        if not event.contains(Mapper, _EVENT, self._on_mapper):
            event.listen(Mapper, _EVENT, self._on_mapper)
        self._judge_what_is_there(target)

    def _judge_what_is_there(self, target: type | registry | None) -> None:
        """Judge every class of *target*, and raise for the first that is refused."""
        refused: list[DuplicateModelError] = []
        top = target if isinstance(target, type) else object
        for mapper in sorted(mappers_below(top), key=_place):
            if not isinstance(target, registry) or mapper.registry is target:
                try:
                    self._take(mapper)
                except DuplicateModelError as error:
                    refused.append(error)
        if refused:
            raise refused[0]

    def _on_mapper(self, mapper: Mapper[Any], _: type) -> None:
        self._take(mapper, is_being_defined=True)

    def _take(self, mapper: Mapper[Any], *, is_being_defined: bool = False) -> None:
        owner, cls = mapper.registry, mapper.class_
        if isinstance(owner, GuardedRegistry):
            return
        rules = self._rules_of(owner, cls)
        if rules is None:
            return
        observed = self.observed.setdefault(owner, _Observed(rules))
        observed.record.rules = rules  # those of one base may have come after all's
        if is_being_defined:
            observed.record.note(cls)
        observed.take(mapper)

    def _rules_of(self, owner: registry, cls: type) -> Rules | None:
        """Return the rules of *cls*; those of its own base come first."""
        for reference in self._rules.keyrefs():  # a list made in one step
            target = reference()
            if target is owner or (
                isinstance(target, type) and issubclass(cls, target)
            ):
                return self._rules.get(target)
        return self._rules_for_all


_OBSERVER = _Observer()


def _place(mapper: Mapper[Any]) -> tuple[str, str]:
    return mapper.class_.__module__, mapper.class_.__qualname__
