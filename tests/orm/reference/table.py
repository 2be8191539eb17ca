"""Which are the cases of the reference list? All of them, by their names there."""

from tests.orm.reference import (
    bases,
    files_twice,
    frameworks,
    garbage,
    same_names,
    strings,
)

CASES = dict(
    sorted(
        (
            same_names.CASES
            | files_twice.CASES
            | bases.CASES
            | frameworks.CASES
            | garbage.CASES
            | strings.CASES
        ).items()
    )
)
#: How many there are under each letter.
NUMBERS = dict(
    zip("abcdefghijklm", (6, 10, 5, 3, 2, 3, 1, 1, 2, 3, 9, 4, 2), strict=True)
)
