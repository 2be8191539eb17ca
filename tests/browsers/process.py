"""How does a browser live and die? As a process group of our own, ended by its id."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path


class BrowserProcess:
    """A browser with a fresh profile; everything of it is gone after `close`."""

    def __init__(self, *command: str, profile: "Profile") -> None:
        self._profile = profile
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | profile.environment,
            start_new_session=True,
        )

    @property
    def is_running(self) -> bool:
        """Say whether the browser still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the browser and its children, and remove its profile."""
        for ending in (signal.SIGTERM, signal.SIGKILL):
            if self.is_running:
                os.killpg(self._process.pid, ending)
                try:
                    self._process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
        self._profile.close()


class Profile:
    """A folder for one browser, with the environment that keeps it inside."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ra-browser-"))
        self.environment = {
            "HOME": str(self.folder),
            "MOZ_DISABLE_CONTENT_SANDBOX": "1",
        }

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
