"""Lists of SIP codes as administrators write them."""

from __future__ import annotations

import pytest

from mesh.sip_codes import CodeSet


def test_codes_and_classes_are_told_apart() -> None:
    codes = CodeSet.parse(["503", "4xx"], first=300)
    assert 503 in codes
    assert 404 in codes
    assert 502 not in codes
    assert "503" not in codes


@pytest.mark.parametrize("element", ["", "5", "5XX", "5x3", "700", "5033", "٥٠٣", "503\n", " 503"])
def test_what_is_no_code_is_refused_by_name(element: str) -> None:
    with pytest.raises(ValueError, match="neither a SIP code"):
        CodeSet.parse([element], first=200)


@pytest.mark.parametrize("element", ["200", "2xx", "299"])
def test_codes_below_the_first_are_refused(element: str) -> None:
    with pytest.raises(ValueError, match="below 300"):
        CodeSet.parse([element], first=300)


def test_an_element_stands_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        CodeSet.parse(["503", "503"], first=300)
