"""Which groups of commands are there?"""

import click

from resilient_auth.cli.explain import explain
from resilient_auth.cli.keys import keys
from resilient_auth.cli.models import models


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="resilient-auth")
def resilient_auth() -> None:
    """Keep logins, sessions and LLM calls standing: the tools for operators."""


resilient_auth.add_command(explain)
resilient_auth.add_command(keys)
resilient_auth.add_command(models)
