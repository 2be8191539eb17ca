"""
Would the tests notice if core decided otherwise? ``python -m tests.mutation [FILE …]``.

Each file of `core` is changed in every way that mutmut knows, in a copy under a
temporary folder, and its own tests are run against each change. Printed are the share
of changes that some test noticed, and those that none did. Slow: about two changes a
second, so name the files (``seals refresh``) that you work on.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = ROOT / "src/resilient_auth/core"
COPIED = ("src", "tests", "docs", "pyproject.toml", "conftest.py", "README.md")
TARGET = 0.9
#: Where a file is tested besides ``tests/core/test_<name>.py``.
ALSO = {
    "algorithms": ["core/test_keys.py", "core/test_jwk.py"],
    "base64url": ["core/test_jwk.py", "core/test_jws.py"],
    "claims": ["core/test_tokens.py"],
    "entries": ["core/test_ring.py"],
    "jws": ["test_advisories.py"],
    "keyfile": ["core/test_ring.py", "cli/test_keys.py"],
    "keys": ["core/test_jwk.py", "core/test_weakness.py", "test_secrecy.py"],
    "macs": ["core/test_ring.py", "core/test_seals.py", "auth/test_tickets.py"],
    "masters": ["core/test_ring.py", "test_secrecy.py"],
    "ring": ["core/test_keys.py", "test_secrecy.py"],
    "seals": ["auth/test_signer.py"],
    "stays": ["core/test_ring.py"],
    "tickets": ["auth/test_tickets.py"],
}

#: Where the sentences of all files stand.
SENTENCES = ["core/test_sentences.py"]


def main(names: list[str]) -> int:
    """Print the score of each file and of all; return 1 if that is below the target."""
    everything = sorted(each.stem for each in CORE.glob("*.py") if each.stem[0] != "_")
    unknown = set(names) - set(everything)
    if unknown:
        print(f"There is no core/{min(unknown)}.py.")
        return 2
    counts = [_measure(name) for name in names or everything]
    noticed, made = (sum(each) for each in zip(*counts, strict=True))
    print(f"{'all':14} {noticed:5} of {made:5}  {noticed / max(made, 1):6.1%}")
    return int(made == 0 or noticed < TARGET * made)


def _measure(name: str) -> tuple[int, int]:
    """Return how many changes of core/*name*.py were noticed, and of how many."""
    if "def " not in (CORE / f"{name}.py").read_text("utf-8"):
        print(f"{name:14} has no function, so nothing is changed")
        return 0, 0
    selection = [f"core/test_{name}.py", *ALSO.get(name, []), *SENTENCES]
    tests = [f"tests/{each}" for each in selection if (ROOT / "tests" / each).exists()]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _copy(place, name, tests)
        run = _mutmut(place, "run", "--max-children", "1")
        verdicts = _verdicts(_mutmut(place, "results", "--all", "true"))
    if not verdicts:
        print(f"{name:14} nothing was measured:\n{run[-2_000:]}", flush=True)
        return 0, 1
    noticed = sum(each in {"killed", "timeout"} for each in verdicts.values())
    share = noticed / len(verdicts)
    print(f"{name:14} {noticed:5} of {len(verdicts):5}  {share:6.1%}", flush=True)
    for mutant, verdict in verdicts.items():
        if verdict not in {"killed", "timeout"}:
            print(f"    {verdict}: {mutant.removeprefix('resilient_auth.core.')}")
    return noticed, len(verdicts)


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
    narrowed = (
        "[tool.mutmut]\n"
        f'only_mutate = ["src/resilient_auth/core/{name}.py"]\n'
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
