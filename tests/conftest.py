"""What do all tests share? Hypothesis profiles: ``dev`` (default), ``ci``, ``deep``."""

import os

from hypothesis import settings

# No deadline: a machine shared with others is slow now and then, and no test of ours
# asserts a time.
pytest_plugins = ["tests.browsers.fixtures", "tests.postgres"]

settings.register_profile("dev", deadline=None)
# A merge is judged by what it changed; new examples come from `make test`, `make deep`.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=100_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
