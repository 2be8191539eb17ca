"""
Would the tests notice if the code did otherwise? ``python -m tests.mutation [FILE …]``.

Each file of `core` and of `resilience` is changed in every way that mutmut knows, in a
copy under a temporary folder, and its own tests are run against each change. Printed
are the share of changes that some test noticed, and those that none did. Slow: about
two changes a second, so name the packages and files (``core/seals resilience``) that
you work on.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/resilient_auth"
COPIED = ("src", "tests", "docs", "pyproject.toml", "conftest.py", "README.md")
#: The share of changes that the tests of a package notice at least.
TARGETS = {"core": 0.9, "resilience": 0.85}
#: Where a file is tested besides ``tests/<package>/test_<name>.py``, in its own package
#: or in another.
ALSO = {
    "core/algorithms": "keys jwk",
    "core/base64url": "jwk jws",
    "core/claims": "tokens",
    "core/entries": "ring",
    "core/jws": "./advisories",
    "core/keyfile": "ring cli/keys",
    "core/keys": "jwk weakness ./secrecy",
    "core/macs": "ring seals auth/tickets",
    "core/masters": "ring ./secrecy",
    "core/ring": "keys ./secrecy",
    "core/seals": "auth/signer",
    "core/stays": "ring",
    "core/tickets": "auth/tickets",
    "resilience/alarm": "watch calls",
    "resilience/answer": "ladder",
    "resilience/attempt": "calls twins retry meter attacks",
    "resilience/breaker": "breaker_machine turn calls attacks",
    "resilience/bulkhead": "twins attacks",
    "resilience/calls": "twins retry stream parts attacks",
    "resilience/climb": "ladder attacks",
    "resilience/evidence": "verdict results attacks",
    "resilience/functions": "twins parts ladder attacks",
    "resilience/guard": "calls twins attacks",
    "resilience/ladder": "attacks",
    "resilience/lane": "calls retry stream twins meter attacks",
    "resilience/meter": "attacks",
    "resilience/results": "attacks",
    "resilience/retry": "calls twins attacks",
    "resilience/rungs": "ladder attacks",
    "resilience/stream": "twins attacks",
    "resilience/tally": "breaker",
    "resilience/told": "verdict",
    "resilience/trace": "ladder",
    "resilience/transcript": "stream twins meter attacks",
    "resilience/verdict": "rules results attacks",
    "resilience/watch": "stream",
    "resilience/window": "breaker",
}

#: What tests import that is not ours: loaded once, and not again for each change.
PRELOADED = (
    "pytest",
    "pytest_asyncio.plugin",
    "pytest_cov.plugin",
    "pytest_socket",
    "pytest_timeout",
    "hypothesis.extra",
    "hypothesis.strategies",
    "_hypothesis_pytestplugin",
    "schemathesis.pytest.plugin",
    "sybil.parsers.myst",
    "playwright.sync_api",
    "psutil",
    "websockets",
    "sqlalchemy.ext.asyncio",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "tenacity",
    "pybreaker",
    "openai",
    "anthropic",
)

#: Where the sentences of all files of a package stand.
SENTENCES = {"core": "sentences", "resilience": "sentences"}


def main(names: list[str]) -> int:
    """Print the score of each file and package; return 1 if one is below its target."""
    everything = sorted(
        f"{package}/{each.stem}"
        for package in TARGETS
        for each in (SOURCE / package).glob("*.py")
        if each.stem[0] != "_"
    )
    unknown = set(names) - {*everything, *TARGETS}
    if unknown:
        print(f"There is no {min(unknown)}; files are named core/seals, for example.")
        return 2
    chosen = [
        each
        for each in everything
        if not names or each in names or each.partition("/")[0] in names
    ]
    return max(
        _judge(package, [each for each in chosen if each.startswith(package)])
        for package in TARGETS
    )


def _judge(package: str, names: list[str]) -> int:
    """Print the scores of *names* and of all; return 1 if that is below the target."""
    if not names:
        return 0
    counts = [_measure(name) for name in names]
    noticed, made = (sum(each) for each in zip(*counts, strict=True))
    print(f"{package:22} {noticed:5} of {made:5}  {noticed / max(made, 1):6.1%}")
    return int(made == 0 or noticed < TARGETS[package] * made)


def _measure(name: str) -> tuple[int, int]:
    """Return how many changes of *name* were noticed, and of how many."""
    if "def " not in (SOURCE / f"{name}.py").read_text("utf-8"):
        print(f"{name:22} has no function, so nothing is changed")
        return 0, 0
    package, _, stem = name.partition("/")
    words = f"{stem} {ALSO.get(name, '')} {SENTENCES[package]}".split()
    tests = [path for each in words if (path := _test_file(package, each))]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _copy(place, name, tests)
        run = _mutmut(place, "run", "--max-children", "1")
        verdicts = _verdicts(_mutmut(place, "results", "--all", "true"))
    if not verdicts:
        print(f"{name:22} nothing was measured:\n{run[-2_000:]}", flush=True)
        return 0, 1
    noticed = sum(each in {"killed", "timeout"} for each in verdicts.values())
    share = noticed / len(verdicts)
    print(f"{name:22} {noticed:5} of {len(verdicts):5}  {share:6.1%}", flush=True)
    for mutant, verdict in verdicts.items():
        if verdict not in {"killed", "timeout"}:
            print(f"    {verdict}: {mutant.removeprefix('resilient_auth.')}")
    return noticed, len(verdicts)


def _test_file(package: str, word: str) -> str:
    """Return the path of the tests that *word* means, empty if there are none."""
    folder, _, stem = word.rpartition("/")
    path = f"tests/{folder or package}/test_{stem}.py"
    return path if (ROOT / path).exists() else ""


def _copy(place: Path, name: str, tests: list[str]) -> None:
    """Copy what the tests need to *place*, and say there what is to be changed."""
    for each in COPIED:
        if (ROOT / each).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / each, place / each, ignore=ignored)
        else:
            shutil.copy(ROOT / each, place / each)
    settings = place / "pyproject.toml"
    said = settings.read_text("utf-8")
    preloaded = place / "preloaded.txt"
    preloaded.write_text("\n".join(PRELOADED), "utf-8")
    narrowed = (
        "[tool.mutmut]\n"
        f'preload_modules_file = "{preloaded}"\n'
        f'only_mutate = ["src/resilient_auth/{name}.py"]\n'
        f"pytest_add_cli_args_test_selection = {tests!r}\n"
    )
    settings.write_text(said.replace("[tool.mutmut]\n", narrowed), "utf-8")


def _mutmut(place: Path, *args: str) -> str:
    """Return what mutmut says; a change that survives is no failure."""
    command = [Path(sys.executable).with_name("mutmut"), *args]
    done = subprocess.run(
        command, cwd=place, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def _verdicts(said: str) -> dict[str, str]:
    """Return what became of each mutant."""
    lines = (line.strip().rpartition(": ") for line in said.splitlines())
    return {
        name: verdict
        for name, _, verdict in lines
        if "__mutmut_" in name and verdict != "not checked"  # the tests did not pass
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
