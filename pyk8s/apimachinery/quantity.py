# SPDX-License-Identifier: Apache-2.0
"""resource.Quantity: exact numbers with a suffix, `100m`, `1536Mi`, `12e6`.

A quantity keeps the family of its suffix and prints canonically: no fraction, the largest suffix
that loses nothing (1.5 is 1500m, 1.5Gi is 1536Mi). More than nine decimal places round away from
zero. Follows apimachinery's `api/resource`, including that a text which its quick parser takes
for canonical is kept as it was written (`1.250` stays).
"""

from __future__ import annotations

import decimal
import functools
import re
from decimal import Decimal
from typing import NamedTuple

DECIMAL_EXPONENT = "DecimalExponent"
BINARY_SI = "BinarySI"
DECIMAL_SI = "DecimalSI"

FORMAT_FAULT = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
NUMERIC_FAULT = "unable to parse numeric part of quantity"
SUFFIX_FAULT = "unable to parse quantity's suffix"

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = ("", *_BINARY)

_INT64_MAX = 2**63 - 1
_EXPONENT_MAX = 2**31 - 1
_DIGITS_MAX = 900
# The decimal digits an int64 always holds.
_INT64_DIGITS = 18

_NANO = Decimal("1e-9")
_MAX_BINARY = Decimal(_INT64_MAX)
# Wide enough that sums and products of real quantities stay exact.
_context = decimal.Context(
    prec=1000, rounding=decimal.ROUND_UP, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX
)

_parts = re.compile(
    r"(?P<sign>[+-]?)0*(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?"
    r"(?P<suffix>[eEinumkKMGTP]*[-+]?[0-9]*)"
).fullmatch
_exponent = re.compile(r"[eE]([-+]?[0-9]{1,18})").fullmatch


class QuantityError(ValueError):
    """The text is no quantity; the message is upstream's."""


@functools.total_ordering
class Quantity:
    """An immutable amount and the family its suffix is of; equal and ordered by amount."""

    __slots__ = ("_text", "amount", "format")

    def __init__(self, amount: Decimal, format: str = DECIMAL_SI, text: str = "") -> None:
        self.amount = amount
        self.format = format
        # What to print, when that is known.
        self._text = text

    def __str__(self) -> str:
        if not self._text:
            self._text = _canonical(self.amount, self.format)
        return self._text

    def __repr__(self) -> str:
        return f"Quantity({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __add__(self, other: Quantity) -> Quantity:
        """The sum, in the format of the first that is not zero."""
        return Quantity(_context.add(self.amount, other.amount), (self or other).format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(_context.subtract(self.amount, other.amount), (self or other).format)

    def __neg__(self) -> Quantity:
        return Quantity(self.amount.copy_negate(), self.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(_context.multiply(self.amount, Decimal(factor)), self.format)

    @property
    def value(self) -> int:
        """The amount rounded away from zero to an integer, within an int64."""
        return _to_int64(self.amount)

    @property
    def milli_value(self) -> int:
        """A thousand times the amount, as `value`."""
        return _to_int64(self.amount.scaleb(3, _context))


ZERO = Quantity(Decimal(0), DECIMAL_SI, "0")


@functools.lru_cache(maxsize=16384)
def parse(text: str) -> Quantity:
    """Read a quantity; raises QuantityError. Space around it is ignored."""
    text = text.strip()
    read = _read(text)
    sign = "-" if read.negative else ""
    if read.format == BINARY_SI:
        amount = _context.multiply(
            Decimal(f"{sign}{read.whole}.{read.fraction or 0}"), Decimal(1 << read.exponent)
        )
    else:
        amount = Decimal(f"{sign}{read.digits}e{read.exponent - len(read.fraction)}")
    if _is_kept_as_written(read):
        return Quantity(amount, read.format, text)
    return _bounded(amount, read.format)


def canonical(value: str | int | float) -> str:
    """The text a server answers for a quantity in a document; raises QuantityError."""
    return _canonical_text(value if isinstance(value, str) else repr(value))


@functools.lru_cache(maxsize=16384)
def _canonical_text(text: str) -> str:
    return str(parse(text))


class _Read(NamedTuple):
    """The parts of a quantity's text; `exponent` is of 2 for binary suffixes, else of 10."""

    negative: bool
    whole: str
    fraction: str
    exponent: int
    format: str

    @property
    def digits(self) -> str:
        return self.whole + self.fraction


def _read(text: str) -> _Read:
    parts = _parts(text)
    if not text or parts is None:
        raise QuantityError(FORMAT_FAULT)
    whole = parts["whole"] or "0"
    fraction = parts["fraction"] or ""
    if len(whole) + len(fraction) > _DIGITS_MAX:
        raise QuantityError(NUMERIC_FAULT)
    exponent, form = _read_suffix(parts["suffix"])
    return _Read(parts["sign"] == "-", whole, fraction, exponent, form)


def _read_suffix(suffix: str) -> tuple[int, str]:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], DECIMAL_SI
    if suffix in _BINARY:
        return _BINARY[suffix], BINARY_SI
    written = _exponent(suffix)
    if written is None or abs(int(written[1])) > _EXPONENT_MAX:
        raise QuantityError(SUFFIX_FAULT)
    return int(written[1]), DECIMAL_EXPONENT


def _is_kept_as_written(read: _Read) -> bool:
    """Whether upstream's quick path takes the text for canonical and keeps it."""
    if read.format == BINARY_SI:
        digits_max = 15 - int(read.exponent * 3 / 10) - 1
        if read.fraction or len(read.whole) > digits_max:
            return False
        return int(read.whole) & 7 != 0
    scale = read.exponent - len(read.fraction)
    if len(read.digits) > _INT64_DIGITS or scale < -9 or scale % 3:
        return False
    return not read.digits.endswith("000") and read.digits[0] != "0"


def _bounded(amount: Decimal, form: str) -> Quantity:
    exponent = amount.as_tuple().exponent
    if amount and isinstance(exponent, int) and exponent < -9:
        amount = amount.quantize(_NANO, context=_context)
    if form == BINARY_SI:
        if amount.copy_abs() > _MAX_BINARY:
            amount = _MAX_BINARY.copy_sign(amount)
        elif 0 < amount.copy_abs() < 1:
            form = DECIMAL_SI
    return Quantity(amount, form)


def _canonical(amount: Decimal, form: str) -> str:
    if not amount:
        return "0"
    if form == BINARY_SI:
        if amount.copy_abs() >= 1024 and amount == amount.to_integral_value():
            return _canonical_binary(int(amount))
        form = DECIMAL_SI
    return _canonical_decimal(amount, form)


def _canonical_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY):
        number //= 1024
        power += 1
    return f"{number}{_BINARY_SUFFIX[power]}"


def _canonical_decimal(amount: Decimal, form: str) -> str:
    sign, digit_tuple, exponent = amount.as_tuple()
    assert isinstance(exponent, int), "quantities are finite"
    written = "".join(map(str, digit_tuple))
    digits = written.rstrip("0")
    exponent += len(written) - len(digits)
    # The suffixes end at E; an exponent may be any multiple of three.
    wanted = exponent - exponent % 3
    if form == DECIMAL_SI:
        wanted = min(wanted, 18)
    digits += "0" * (exponent - wanted)
    if form == DECIMAL_SI:
        suffix = _DECIMAL_SUFFIX[wanted]
    else:
        suffix = f"e{wanted}" if wanted else ""
    return f"{'-' if sign else ''}{digits}{suffix}"


def _to_int64(amount: Decimal) -> int:
    if amount.adjusted() > 19:
        return _INT64_MAX if amount > 0 else -_INT64_MAX - 1
    number = int(amount.to_integral_value(rounding=decimal.ROUND_UP))
    return max(-_INT64_MAX - 1, min(_INT64_MAX, number))
