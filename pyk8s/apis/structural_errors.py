# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a document's types, in the words of Go's JSON decoder.

    DecodeFault
    +-- TypeFault     a JSON value that its Go type cannot hold; says where
    +-- ValueFault    a string its type's own reader refuses (quantity, time, base64)

A fault is raised where the value is read and told where it was on its way up: nothing on the
good path carries a path.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gojson import quoted_string

# Strict errors beyond this many are not reported, as in sigs.k8s.io/json.
STRICT_ERRORS_MAX = 100

# Floats from here on hold whole numbers: print them without an exponent, as they were written.
_WHOLE_FLOATS_MIN = 2.0**53


class DecodeFault(Exception):
    """A document that does not fit its kind; `message` is the decoder's sentence."""

    @property
    def message(self) -> str:
        raise NotImplementedError


class ValueFault(DecodeFault):
    """The type's own reader refused the text: its sentence stands alone, without a place."""

    @property
    def message(self) -> str:
        return str(self.args[0])


class TypeFault(DecodeFault):
    """`found` is what the JSON held (`string`, `number 1.5`), `wanted` the Go type."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted
        self._struct = ""
        self._steps: list[str] = []

    def inside(self, struct: str, field: str) -> None:
        """Told by each struct from the innermost out; list indices and map keys are not."""
        self._struct = self._struct or struct
        self._steps.append(field)

    def forget_place(self) -> None:
        """What a type's own reader hands out has lost its place inside that type."""
        self._struct = ""
        self._steps.clear()

    @property
    def message(self) -> str:
        if not self._steps:
            return f"json: cannot unmarshal {self.found} into Go value of type {self.wanted}"
        field = ".".join(reversed(self._steps))
        return (
            f"json: cannot unmarshal {self.found} into Go struct field "
            f"{self._struct}.{field} of type {self.wanted}"
        )


def mismatch(value: Any, wanted: str) -> TypeFault:
    return TypeFault(_WORDS.get(value.__class__, "object"), wanted)


_WORDS = {
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
    list: "array",
    type(None): "null",
}


def bad_number(value: float, wanted: str) -> TypeFault:
    """A number that an integer type cannot hold is printed."""
    if isinstance(value, float) and value.is_integer() and abs(value) >= _WHOLE_FLOATS_MIN:
        value = int(value)
    return TypeFault(f"number {value}", wanted)


def unknown_field(path: str) -> str:
    return f"unknown field {quoted_string(path)}"
