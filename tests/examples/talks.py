"""What the tests of all chats in ``examples/llm`` share."""

import os
import subprocess
import sys

#: What the first model says, and the second.
ANSWER, SECOND = "Blue light scatters.", "Said by the second."


def run(module: str, key: str, **environ: str) -> tuple[int, list[str], str]:
    """
    Ask *module* two questions from a shell: the exit status, stdout's lines, stderr.

    The API *key* is in no output.
    """
    ran = subprocess.run(
        [sys.executable, "-m", module, "Why?", "Really?"],
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert key not in ran.stdout + ran.stderr
    return ran.returncode, ran.stdout.splitlines(), ran.stderr
