"""Path templates: what parses, what does not, and what a path says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.transcoder.template import TemplateError, Variable, Wildcard, decode, parse

ONE, REST = Wildcard.ONE, Wildcard.REST


@pytest.mark.parametrize(
    ("text", "segments", "variables", "verb"),
    [
        ("/a", ("a",), (), ""),
        ("/v1.0/a-b/c_d", ("v1.0", "a-b", "c_d"), (), ""),
        ("/a/*", ("a", ONE), (), ""),
        ("/a/**", ("a", REST), (), ""),
        ("/**", (REST,), (), ""),
        ("/a/{id}", ("a", ONE), (Variable("id", 1, 2, True),), ""),
        ("/a/{id=*}/b", ("a", ONE, "b"), (Variable("id", 1, 2, True),), ""),
        ("/a/{b.c}", ("a", ONE), (Variable("b.c", 1, 2, True),), ""),
        ("/{name=a/*/b/*}", ("a", ONE, "b", ONE), (Variable("name", 0, 4, False),), ""),
        ("/a/{rest=**}", ("a", REST), (Variable("rest", 1, None, False),), ""),
        ("/{x=a/**}:do", ("a", REST), (Variable("x", 0, None, False),), "do"),
        ("/a:do", ("a",), (), "do"),
        (
            "/{a}/{b}:do",
            (ONE, ONE),
            (Variable("a", 0, 1, True), Variable("b", 1, 2, True)),
            "do",
        ),
    ],
)
def test_a_template_is_taken_apart(
    text: str, segments: tuple[str | Wildcard, ...], variables: tuple[Variable, ...], verb: str
) -> None:
    template = parse(text)
    assert (template.segments, template.variables, template.verb) == (segments, variables, verb)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "/", "//", "/a/", "/a//b", "/a?b", "/a%20b", "/a b", "/é",
        "/{", "/{}", "/{id", "/{id}}", "/{id=}", "/{1d}", "/{a..b}", "/{a.}", "/{a={b}}",
        "/{id}x", "/x{id}", "/***", "/**/a", "/{a=**}/b", "/**/**", "/{a}/{a}", "/a:", "/a:b:c",
        "/a:b/c", "/:do",
    ],
)  # fmt: skip
def test_a_malformed_template_stops_the_boot(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


def test_the_place_of_the_mistake_is_told() -> None:
    with pytest.raises(TemplateError, match=r"'/a/\{b', at 5: expected `}`"):
        parse("/a/{b")


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("/a/{id}", ["a", "x%2Fy"], {"id": "x/y"}),
        ("/a/{id}", ["a", "%C3%A9"], {"id": "é"}),
        ("/a/{id}", ["a", "x+y"], {"id": "x+y"}),
        ("/{name=a/*}", ["a", "x%2Fy"], {"name": "a/x%2Fy"}),
        ("/{name=a/*}", ["a", "x%2fy%20z"], {"name": "a/x%2fy z"}),
        ("/a/{rest=**}", ["a"], {"rest": ""}),
        ("/a/{rest=**}", ["a", "b", "", "c"], {"rest": "b//c"}),
        ("/a/{rest=**}", ["a", "%252F"], {"rest": "%2F"}),
        ("/{b.c}/{d}", ["x", "y"], {"b.c": "x", "d": "y"}),
    ],
)
def test_a_path_fills_the_variables(text: str, path: list[str], expected: dict[str, str]) -> None:
    assert parse(text).bind(path) == expected


@pytest.mark.parametrize("segment", ["%", "%2", "%zz", "a%", "%FF", "%C3", "%ED%A0%80", "%C0%AF"])
def test_a_broken_escape_cannot_be_decoded(segment: str) -> None:
    with pytest.raises(ValueError, match=r"percent|decode"):
        decode(segment)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_every_text_survives_its_percent_encoding(text: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in text.encode())
    assert decode(encoded) == text
    assert parse("/a/{id}").bind(["a", encoded]) == {"id": text}


literals = st.from_regex(r"[A-Za-z0-9._~-]{1,6}", fullmatch=True)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


@given(st.lists(st.tuples(literals, names), min_size=1, max_size=4, unique_by=lambda it: it[1]))
def test_what_is_put_together_is_taken_apart_again(parts: list[tuple[str, str]]) -> None:
    template = parse("".join(f"/{literal}/{{{name}}}" for literal, name in parts))
    path = [text for literal, name in parts for text in (literal, f"value-of-{name}")]
    assert template.bind(path) == {name: f"value-of-{name}" for _, name in parts}


@given(st.text(alphabet="/{}*:=.ab%1", max_size=12))
def test_no_text_at_all_breaks_the_parser(text: str) -> None:
    try:
        template = parse(text)
    except TemplateError:
        return
    assert template.segments
