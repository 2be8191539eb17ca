"""
How is the demo run? ``python -m examples.chatbot``, then Ctrl-C.

Environment: ``PORT``, ``DEMO_DATABASE_URL``, ``DEMO_DATA`` (where keys and the SQLite
file live), ``OPENAI_API_KEY`` and ``DEMO_MODEL`` (a real provider), ``DEMO_PACE``.
"""

import signal
import sys


def main() -> int:
    """Run the demo; return the process's exit status."""
    # Imports take a second, in which Ctrl-C has nothing to clean up and says nothing.
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from examples.chatbot.program import run

    signal.signal(signal.SIGINT, usual)
    return run()


if __name__ == "__main__":
    sys.exit(main())
