"""Let ``python -m resilient_auth.cli`` be ``resilient-auth``."""

from resilient_auth.cli import main

if __name__ == "__main__":
    main()
