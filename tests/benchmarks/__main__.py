"""Print the table: ours, the peer, the ratio, and whether the target is met."""

from tests.benchmarks import stores, tokens, web


def main() -> None:
    """Run every benchmark; takes under a minute."""
    for module in (tokens, web, stores):
        print(f"\n{module.__doc__}\n")  # noqa: T201 - the table is the product
        for row in module.rows():
            print(row)  # noqa: T201
    print(f"\n100,000 sessions in memory: {stores.memory_of_many():.0f} MB (≤ 100)")  # noqa: T201


if __name__ == "__main__":
    main()
