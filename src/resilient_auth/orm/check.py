"""
Were the models sound when this process started? Asked once; only a restart heals.

A fault of the models fails the first query that meets it, often of another model, and
every query after that. So it is found before anything is served: the adapters ask at
start (``models=…``), and readiness stays red until the answer is yes.
"""

import asyncio
import threading
from collections.abc import Iterable

from resilient_auth.core import arguments
from resilient_auth.core.checks import CheckResult
from resilient_auth.errors import ConfigError
from resilient_auth.orm.mappers import target_of
from resilient_auth.orm.report import ModelReport
from resilient_auth.orm.startup import check_models


class ModelCheck:
    """
    `check_models` of *base*, as a check of `Health` and a condition of the start.

    ::

        models = ModelCheck(Base, packages=["app.models"])
        web = StarletteAuth(auth, site, authenticate=check, models=models)

    The modules are imported once, in the first thread that asks; others wait for it.
    Several bases have a check each, with names of their own. A module that asks the
    check while the check imports it gets a `ConfigError`, so let *packages* name the
    modules with models, and not the one that builds the application.
    """

    critical = True

    def __init__(
        self,
        base: object,
        *,
        packages: Iterable[str] = (),
        name: str = "models",
        timeout: float = 30.0,
    ) -> None:
        target_of(base)
        arguments.text("name", name)
        arguments.seconds("timeout", timeout)
        self.name: str = name
        self.timeout: float = timeout
        self._base = base
        self._packages = arguments.several("packages", packages)
        for each in self._packages:
            arguments.text("A name in packages", each)
        # The thread that looks may come back, from a module that it imports.
        self._lock = threading.RLock()
        self._is_looking = False
        self._report: ModelReport | None = None

    def report(self) -> ModelReport:
        """Return what `check_models` found, looking at the first call."""
        with self._lock:
            if self._report is None:
                self._report = self._look()
            return self._report

    def _look(self) -> ModelReport:
        """Look at the models, unless this thread is looking already."""
        if self._is_looking:
            raise ConfigError(
                f"A module asks the check {self.name!r} for the models while the check "
                "imports that module. Name the packages with models alone in "
                "packages=[…], or ask where the application is built."
            )
        self._is_looking = True
        try:
            return check_models(self._base, packages=self._packages)
        finally:
            self._is_looking = False

    def require(self) -> None:
        """Raise `ConfigError` with the whole report, unless the models are sound."""
        self.report().raise_if_errors()

    async def arun(self) -> CheckResult:
        """Return pass, or fail with the codes of the faults."""
        report = await asyncio.to_thread(self.report)
        if not report.errors:
            return CheckResult("pass")
        return CheckResult(
            "fail", ", ".join(sorted({each.code for each in report.errors}))
        )
