# SPDX-License-Identifier: Apache-2.0
"""What a YAML scalar means to go-yaml v2, and how it writes one."""

from __future__ import annotations

import base64
import binascii
import functools
import math
import re
from typing import Any

from pyk8s.apimachinery.codec import DecodeError

_TAG = "tag:yaml.org,2002:"

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}

_may_be_number = re.compile(r"[-+.0-9]").match
_is_integer = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)"
    r"|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
).fullmatch
_is_float = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?").fullmatch
_is_base60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?").fullmatch
_is_timestamp = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
).fullmatch
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}


def resolve(text: str, tag: str | None) -> Any:
    """The JSON value of a scalar; `tag` is its explicit tag, None for a plain one.

    Raises DecodeError for a text its tag cannot mean and for what JSON cannot say.
    """
    if tag is None:
        return _jsonable(_resolve_plain(text), text)
    if tag == _TAG + "binary":
        return _binary(text)
    name = tag.removeprefix(_TAG)
    if name not in _TAGGED or name == "str":
        return text
    value = _resolve_plain(text)
    if name == "timestamp" and isinstance(value, str) and _is_timestamp(text):
        return text
    if not isinstance(value, _TAGGED[name]) or (isinstance(value, bool) and name != "bool"):
        raise DecodeError(
            "error converting YAML to JSON: yaml: "
            f"cannot decode !!{_kind(value)} `{text}` as a !!{name}"
        )
    return _jsonable(value, text)


_TAGGED: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "null": (type(None),),
    "timestamp": (),
}


def _kind(value: Any) -> str:
    kinds = {bool: "bool", int: "int", float: "float", type(None): "null"}
    return kinds.get(type(value), "str")


def _resolve_plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if not _may_be_number(text):
        return text
    if text[0] == ".":
        return float(text) if _is_float(text) else text
    plain = text.replace("_", "")
    integer = _is_integer(plain)
    if integer:
        digits = integer[integer.lastgroup or "dec"]
        number = int(digits, _BASES[integer.lastgroup or "dec"])
        return -number if integer["sign"] == "-" else number
    return float(plain) if _is_float(plain) else text


def _jsonable(value: Any, text: str) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DecodeError(f"error converting YAML to JSON: json: unsupported value: {text}")
        # JSON writes 1.0 as 1, which reads as an integer.
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise DecodeError(
            "error converting YAML to JSON: yaml: !!binary value contains invalid base64 data"
        ) from error


def key_text(value: Any) -> str:
    """A mapping key as the string JSON needs; raises DecodeError for null."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise DecodeError(
            "error converting YAML to JSON: unsupported map key of type: %!s(<nil>), key: <nil>"
        )
    return literal(value)


def literal(value: bool | int | float | None) -> str:
    """A value that is no string, as go-yaml writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_text(value) if isinstance(value, float) else str(value)


def _float_text(value: float) -> str:
    """Go's shortest %g; whole numbers print as the integers JSON makes of them."""
    if value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    mantissa, _, exponent_text = f"{value!r}e0".partition("e")
    exponent_text = exponent_text.partition("e")[0]
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole + fraction) - len(digits)
    exponent = int(exponent_text) + len(whole) - leading_zeros - 1
    digits = digits.rstrip("0") or "0"
    # strconv decides on the exponent as if the precision were 6.
    if -4 <= exponent < 6:
        return sign + _positional(digits, exponent)
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _positional(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


@functools.lru_cache(maxsize=8192)
def needs_quotes(text: str) -> bool:
    """Whether the text, written plain, would be read as something else than this string."""
    if text in _WORDS or text == "<<":
        return True
    if not _may_be_number(text):
        return False
    if _is_base60(text) or _is_timestamp(text):
        return True
    return not isinstance(_resolve_plain(text), str)
