# SPDX-License-Identifier: Apache-2.0
"""YAML in and out, as sigs.k8s.io/yaml reads and writes it.

The C parser's events become plain JSON values without a tree between. Scalars resolve as go-yaml
v2 resolves them (YAML 1.1 booleans, octal integers; timestamps stay strings), keys that are no
strings become strings, and whole floats become integers as they do on their way through JSON.
Nesting and what aliases multiply are bounded.
"""

from __future__ import annotations

import functools
import re
from typing import IO, Any, cast

import yaml
from yaml import events
from yaml.cyaml import CEmitter, CParser  # type: ignore[attr-defined]

from pyk8s.apimachinery import codec, yamlscalars
from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apimachinery.gojson import quoted_string

# How many values aliases may add to a document; real manifests add a few dozen.
ALIASED_VALUES_MAX = 20_000

_PREFIX = "error converting YAML to JSON: yaml: "


# A number that is not an integer: through YAML, 1.0 and 1e3 read as integers.
_has_fraction = re.compile(rb"[:\[,]\s*-?[0-9]+[.eE]").search


def decode_yaml(data: bytes) -> Any:
    """The first document as a JSON value (None when there is none); raises DecodeError."""
    if _may_be_json(data):
        try:
            return codec.decode_json(data)
        except DecodeError:
            return _decode(data)[0]
    return _decode(data)[0]


def decode_yaml_strict(data: bytes) -> tuple[Any, list[str]]:
    """The value, and one message per repeated key: `line 3: key "replicas" already set in map`.

    Upstream joins them below `error converting YAML to JSON: yaml: unmarshal errors:`, see
    strict_error. Of a repeated key the last value counts.
    """
    if _may_be_json(data):
        try:
            value, duplicates = codec.decode_json_strict(data)
        except DecodeError:
            return _decode(data)
        if not duplicates:
            return value, []
    return _decode(data)


def _may_be_json(data: bytes) -> bool:
    """Clients send JSON as YAML (kubectl's server-side apply does), which reads 20 times faster."""
    return data[:1] == b"{" and not _has_fraction(data)


def _decode(data: bytes) -> tuple[Any, list[str]]:
    builder = _Builder()
    parser = CParser(data)
    try:
        value = builder.build(parser)
    except yaml.MarkedYAMLError as error:
        raise DecodeError(_PREFIX + _syntax_error(error)) from error
    except yaml.reader.ReaderError as error:
        raise DecodeError(_PREFIX + str(error.reason)) from error
    finally:
        parser.dispose()
    return value, builder.duplicates


def strict_error(messages: list[str]) -> str:
    """What upstream says of a document with repeated keys."""
    return _PREFIX + "unmarshal errors:\n  " + "\n  ".join(messages)


# libyaml's own bound, which the scanner may meet before the first bracket becomes an event.
_TOO_DEEP = "exceeded maximum nesting depth"


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    """Worded as go-yaml does, which counts lines from 0 except in scanner errors."""
    if error.problem == _TOO_DEEP:
        return f"exceeded max depth of {codec.NESTING_MAX}"
    line = 0
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)
    elif error.context_mark is not None:
        line = error.context_mark.line
    where = f"line {line}: " if line else ""
    return f"{where}{error.problem or 'unknown problem parsing YAML content'}"


class _Frame:
    """A container under construction; `key` waits for its value in a mapping."""

    __slots__ = ("anchor", "has_key", "key", "merges", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key = ""
        self.has_key = False
        self.merges = False


class _Builder:
    """Builds the value from parser events with an explicit stack."""

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Any] = {}
        self._unfinished: set[str] = set()
        self._aliased = 0
        self._done = False
        self._result: Any = None

    def build(self, parser: Any) -> Any:
        while not self._done:
            event = parser.get_event()
            kind = event.__class__
            if kind is events.ScalarEvent:
                self._scalar(event)
            elif kind is events.MappingStartEvent:
                self._push({}, event)
            elif kind is events.SequenceStartEvent:
                self._push([], event)
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                self._pop(event)
            elif kind is events.AliasEvent:
                self._place(self._alias(event), event)
            elif kind is events.DocumentEndEvent or kind is events.StreamEndEvent:
                self._done = True
        return self._result

    def _scalar(self, event: events.ScalarEvent) -> None:
        plain, quoted = event.implicit
        tag = event.tag
        if tag is None and not plain:
            value: Any = event.value
        else:
            value = yamlscalars.resolve(event.value, None if plain or quoted else tag)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.value.__class__ is dict and not frame.has_key:
            if plain and event.value == "<<" and tag is None:
                frame.merges = True
            self._set_key(frame, value, event)
        else:
            self._place(value, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value

    def _push(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        if self._stack:
            top = self._stack[-1]
            if top.value.__class__ is dict and not top.has_key:
                raise DecodeError(f"{_PREFIX}invalid map key: a map or a list")
        if len(self._stack) >= codec.NESTING_MAX:
            raise DecodeError(f"{_PREFIX}exceeded max depth of {codec.NESTING_MAX}")
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
            self._unfinished.add(event.anchor)
        self._stack.append(_Frame(value, event.anchor))

    def _pop(self, event: Any) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._unfinished.discard(frame.anchor)
            self._anchors[frame.anchor] = frame.value
        self._place(frame.value, event)

    def _alias(self, event: events.AliasEvent) -> Any:
        anchor = event.anchor
        if anchor in self._unfinished:
            raise DecodeError(f"{_PREFIX}anchor '{anchor}' value contains itself")
        if anchor not in self._anchors:
            raise DecodeError(f"{_PREFIX}unknown anchor '{anchor}' referenced")
        return self._copy(self._anchors[anchor], len(self._stack))

    def _copy(self, value: Any, depth: int) -> Any:
        """An own copy, so that a change at one place does not show at the other."""
        self._aliased += 1
        if self._aliased > ALIASED_VALUES_MAX:
            raise DecodeError(f"{_PREFIX}document contains excessive aliasing")
        if depth > codec.NESTING_MAX:
            raise DecodeError(f"{_PREFIX}exceeded max depth of {codec.NESTING_MAX}")
        if isinstance(value, dict):
            return {key: self._copy(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._copy(inner, depth + 1) for inner in value]
        return value

    def _place(self, value: Any, event: Any) -> None:
        """Put a finished value where the document has it."""
        if not self._stack:
            self._result = value
            return
        frame = self._stack[-1]
        container = frame.value
        if isinstance(container, list):
            container.append(value)
        elif not frame.has_key:
            self._set_key(frame, value, event)
        elif frame.merges:
            frame.has_key = frame.merges = False
            _merge(container, value)
        else:
            frame.has_key = False
            container[frame.key] = value

    def _set_key(self, frame: _Frame, value: Any, event: Any) -> None:
        frame.key = yamlscalars.key_text(value)
        frame.has_key = True
        if frame.key in frame.value and not frame.merges:
            line = event.start_mark.line + 1
            key = quoted_string(frame.key)
            self.duplicates.append(f"line {line}: key {key} already set in map")


def _merge(container: dict[str, Any], value: Any) -> None:
    """A `<<`: of several maps the first wins; what stands before it in the map does not."""
    for item in reversed(value) if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            raise DecodeError(f"{_PREFIX}map merge requires map or sequence of maps as the value")
        container.update(item)


def encode_yaml(value: Any) -> bytes:
    """Block style with sorted keys, as `kubectl get -o yaml` prints."""
    stream = _Stream()
    emitter = CEmitter(cast(IO[Any], stream), width=80, allow_unicode=True)
    emitter.emit(events.StreamStartEvent(encoding="utf-8"))
    emitter.emit(events.DocumentStartEvent(explicit=False))
    _emit(emitter, value)
    emitter.emit(events.DocumentEndEvent(explicit=False))
    emitter.emit(events.StreamEndEvent())
    emitter.dispose()
    return b"".join(stream.parts)


class _Stream:
    """What the emitter writes to."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        self.parts.append(part)


_PLAIN = (True, True)
_MAPPING_END = events.MappingEndEvent()
_SEQUENCE_END = events.SequenceEndEvent()


def _emit(emitter: Any, value: Any) -> None:
    if isinstance(value, dict):
        emitter.emit(events.MappingStartEvent(None, None, True, flow_style=not value))
        for key in sorted(value, key=_natural):
            _emit_text(emitter, key)
            _emit(emitter, value[key])
        emitter.emit(_MAPPING_END)
    elif isinstance(value, list):
        emitter.emit(events.SequenceStartEvent(None, None, True, flow_style=not value))
        for item in value:
            _emit(emitter, item)
        emitter.emit(_SEQUENCE_END)
    elif isinstance(value, str):
        _emit_text(emitter, value)
    else:
        emitter.emit(events.ScalarEvent(None, None, _PLAIN, yamlscalars.literal(value)))


def _emit_text(emitter: Any, text: str) -> None:
    """Quoted when it would read back as another type, literal when it has several lines."""
    if "\n" in text:
        style = "|"
    else:
        style = '"' if yamlscalars.needs_quotes(text) else ""
    emitter.emit(events.ScalarEvent(None, None, _PLAIN, text, style=style or None))


_digits = re.compile(r"[0-9]+")


def _compare_keys(left: str, right: str) -> int:
    """go-yaml's order of keys: runs of digits compare as numbers, letters after other runes."""
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if b.isalpha() else 1
        return _compare_digits(left, right, place)
    return len(left) - len(right)


def _compare_digits(left: str, right: str, place: int) -> int:
    prefix = ""
    if "0" in (left[place], right[place]):
        # A zero that follows other digits counts as one of theirs.
        before = re.search(r"[0-9]*$", left[:place])
        prefix = "1" if before and before.group().strip("0") else ""
    a, b = _digits.match(left, place), _digits.match(right, place)
    runs = (a.group() if a else "", b.group() if b else "")
    numbers = (int(prefix + runs[0] or "0"), int(prefix + runs[1] or "0"))
    if numbers[0] != numbers[1]:
        return -1 if numbers[0] < numbers[1] else 1
    if len(runs[0]) != len(runs[1]):
        return len(runs[0]) - len(runs[1])
    return -1 if left[place] < right[place] else 1


_natural = functools.cmp_to_key(_compare_keys)
