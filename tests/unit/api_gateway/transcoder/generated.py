"""Messages made up by hypothesis."""

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from tests.unit.api_gateway.transcoder.everything import Everything

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
colours = st.sampled_from([0, 1, 2])
stamps = st.builds(
    Timestamp,
    seconds=st.integers(-62_135_596_800, 253_402_300_799),
    nanos=st.integers(0, 999_999).map(lambda micros: micros * 1000),
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def as_value(plain: Any) -> Value:
    """Return plain data as a `google.protobuf.Value`."""
    if isinstance(plain, dict):
        return Value(struct_value=as_struct(plain))
    made = Struct()
    # Struct alone knows how to take plain data; a list of one value carries any of it.
    made.update({"value": plain})
    return made.fields["value"]


def as_struct(plain: dict[str, Any]) -> Struct:
    """Return plain data as a `google.protobuf.Struct`."""
    made = Struct()
    made.update(plain)
    return made


def _signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _fields(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    values = anything.map(as_value)
    return {
        "text": texts,
        "flag": st.booleans(),
        "int32": _signed(32),
        "sint32": _signed(32),
        "sfixed32": _signed(32),
        "uint32": st.integers(0, 2**32 - 1),
        "fixed32": st.integers(0, 2**32 - 1),
        "number": numbers,
        "data": st.binary(max_size=8),
        "colour": colours,
        "at": stamps,
        "struct": st.dictionaries(texts, anything, max_size=3).map(as_struct),
        "value": values,
        "inner": inner,
        "texts": st.lists(texts, max_size=3),
        "ints": st.lists(_signed(32), max_size=3),
        "colours": st.lists(colours, max_size=3),
        "inners": st.lists(inner, max_size=2),
        "ats": st.lists(stamps, max_size=2),
        "text_by_name": st.dictionaries(texts, texts, max_size=3),
        "colour_by_name": st.dictionaries(texts, colours, max_size=3),
        "maybe": _signed(32),
        "left": texts,
        "values": st.lists(values, max_size=2),
    }


def _message(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=_fields(inner)).map(lambda said: Everything(**said))


def everythings() -> st.SearchStrategy[Any]:
    """Return messages of every type, nested up to three deep."""
    shallow = _message(st.just(Everything()))
    return _message(st.one_of(st.just(Everything()), shallow))
