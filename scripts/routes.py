"""Print the REST route table, or with `--write` accept it as the one the tests expect.

`buf breaking` does not see a changed path, so the table is kept and every change of it shows.
"""

import argparse
import sys

from scripts.contracts import route_table
from scripts.gen import ROOT

GOLDEN = ROOT / "tests" / "architecture" / "routes.golden.txt"


def main() -> int:
    """Print or keep the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {GOLDEN.relative_to(ROOT)}")
    if parser.parse_args().write:
        GOLDEN.write_text(route_table())
    else:
        sys.stdout.write(route_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
