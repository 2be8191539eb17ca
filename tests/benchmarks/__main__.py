"""Print the table: ours, the peer, the ratio, and whether the target is met."""

import sys

from tests.benchmarks import (
    llm,
    orm,
    redis,
    stores,
    tokens,
    web_fastapi,
    web_flask,
    web_starlette,
)

TABLES = {
    "tokens": tokens,
    "starlette": web_starlette,
    "fastapi": web_fastapi,
    "flask": web_flask,
    "llm": llm,
    "orm": orm,
    "stores": stores,
    "redis": redis,
}


def main(*chosen: str) -> None:
    """Run the *chosen* tables, or all of them; takes a minute or two."""
    for name, module in TABLES.items():
        if chosen and name not in chosen:
            continue
        print(f"\n{module.__doc__}\n")  # noqa: T201 - the table is the product
        for row in module.rows():
            print(row, flush=True)  # noqa: T201
    if not chosen or "stores" in chosen:
        size = stores.memory_of_many()
        verdict = "met" if size <= 100 else "MISSED"
        print(f"\n100,000 sessions in memory: {size:.0f} MB   ≤ 100 MB   {verdict}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
