"""What do all tests share? Hypothesis profiles: dev (default), ci, deep, mutation."""

import os

from hypothesis import Phase, settings

# No deadline: a machine shared with others is slow now and then, and no test of ours
# asserts a time.
pytest_plugins = ["tests.browsers.fixtures", "tests.postgres"]

settings.register_profile("dev", deadline=None)
# A merge is judged by what it changed; new examples come from `make test`, `make deep`.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=100_000)
# A change is noticed or is not: nobody reads the smallest example, and a change that is
# noticed on some days alone is none that the tests notice.
settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=30,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
