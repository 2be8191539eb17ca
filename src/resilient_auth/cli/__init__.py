"""What can be done from a shell? ``resilient-auth``, with a group for each concern."""

from resilient_auth.errors import MissingDependency


def main() -> None:
    """Run ``resilient-auth``; `MissingDependency` names the extra ``cli``."""
    try:
        import click  # noqa: F401 - asked for before anything that needs it
    except ModuleNotFoundError:
        raise SystemExit(str(MissingDependency("click", extra="cli"))) from None
    from resilient_auth.cli.commands import resilient_auth

    resilient_auth.main(prog_name="resilient-auth")
