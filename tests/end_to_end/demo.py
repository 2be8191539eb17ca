"""How is the demo started for a test? As `make demo` starts it, on a free port."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ADDRESS = re.compile(r"http://localhost:\d+")


class Demo:
    """The demo as a process of its own; its state lives in *data*."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before if there was one."""
        port = self.address.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "examples.chatbot"],
            cwd=ROOT,
            env=os.environ
            | {
                "PORT": port,
                "DEMO_DATA": str(self._data),
                "DEMO_PACE": "0.01",
                "OPENAI_API_KEY": "",
                "DEMO_DATABASE_URL": "",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := ADDRESS.search(line):
                self.address = found[0]
                return
        self.stop()
        raise AssertionError("The demo ended before it was ready.")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, by Ctrl-C unless told otherwise."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        assert process.stdout is not None
        process.stdout.read()
        process.stdout.close()
        process.wait(20)
