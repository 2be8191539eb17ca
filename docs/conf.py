"""Sphinx: MyST pages, the furo theme, the reference from docstrings."""

project = "resilient-auth"
copyright = "2026, the resilient-auth maintainers"  # noqa: A001 - Sphinx's own name
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
html_theme = "furo"
html_title = "resilient-auth"
html_static_path: list[str] = []
exclude_patterns = ["_build"]
default_role = "code"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# Types that only appear in signatures and have no page of their own.
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|typing|abc|asyncio|ipaddress|pathlib|ssl|wsgiref)\..*"),
    (r"py:.*", r"(sqlalchemy|redis|starlette|fastapi|flask|jwt)\..*"),
    (r"py:.*", r"(Mapping|Callable|Iterable|Any|P|T|Event|optional|Listener|Clock)"),
    (r"py:.*", r"resilient_auth\..*"),
]
