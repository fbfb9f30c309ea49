"""What does not fit on a screen is not read. We aim at 40 and 300 lines; these are the ends."""

import pytest

from tests.architecture.code import PACKAGES, ROOT, functions, sources

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
EVERYWHERE = (*PACKAGES, "scripts", "tests")


@pytest.mark.parametrize("package", EVERYWHERE)
def test_no_function_is_too_long_to_read(package: str) -> None:
    long = [
        function
        for path in sources(package)
        for function in functions(path)
        if function.lines > FUNCTION_LINES_MAX
    ]
    assert not long, f"over {FUNCTION_LINES_MAX} lines: {long}"


@pytest.mark.parametrize("package", [*PACKAGES, "scripts"])
def test_no_file_is_too_long_to_know(package: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(package)
    }
    long = {name: length for name, length in lengths.items() if length > FILE_LINES_MAX}
    assert not long, f"over {FILE_LINES_MAX} lines, make it a folder: {long}"
