# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a file to a dict of which every field is known and of its type.

Strict, as upstream's decoder of component configurations: a wrong type ends it, unknown and
repeated fields are collected. In the words of `sigs.k8s.io/json` and of the scheme's codecs.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pyk8s.apimachinery import durations, yamlcodec
from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.scheduler.config import types

_RANGES = {"int32": 2**31, "int64": 2**63}
_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
_STRICT = "strict decoding error: "


class ConfigError(Exception):
    """The configuration cannot be used; the message says why, for the operator."""


class _Mismatch(Exception):
    """A value whose type is another; told where it stands while it rises."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__()
        self.found, self.wanted = found, wanted
        self.struct = ""
        self.steps: list[str] = []

    def __str__(self) -> str:
        place = ".".join(reversed(self.steps))
        into = f"struct field {self.struct}.{place}" if place else "value"
        return f"json: cannot unmarshal {self.found} into Go {into} of type {self.wanted}"


def decode(data: bytes) -> dict[str, Any]:
    """The configuration as it was written, without nulls. Raises ConfigError."""
    try:
        document, duplicates = yamlcodec.decode_yaml_strict(data)
    except DecodeError as error:
        raise ConfigError(f"couldn't get version/kind; {error}") from None
    _check_kind(document)
    faults = [yamlcodec.strict_error(duplicates)] if duplicates else []
    config = _struct(document, types.CONFIGURATION, faults)
    if faults:
        raise ConfigError(_STRICT + ", ".join(faults))
    _decode_args(config)
    return config


def _check_kind(document: Any) -> None:
    if not isinstance(document, dict):
        raise ConfigError("the file is not a KubeSchedulerConfiguration: it holds no object")
    version, kind = document.get("apiVersion"), document.get("kind")
    for name, value in (("Kind", kind), ("apiVersion", version)):
        if not isinstance(value, str) or not value:
            raise ConfigError(f"Object '{name}' is missing in the configuration")
    if (version, kind) != (types.API_VERSION, types.KIND):
        raise ConfigError(_no_kind(kind, version))


def _no_kind(kind: Any, version: Any) -> str:
    return (
        f"no kind {quoted_string(str(kind))} is registered for version "
        f"{quoted_string(str(version))}"
    )


def _struct(value: Any, struct: types.Struct, faults: list[str]) -> dict[str, Any]:
    try:
        found = _value(value, struct, "", faults)
    except _Mismatch as error:
        raise ConfigError(str(error)) from None
    return found if isinstance(found, dict) else {}


def _value(value: Any, wanted: types.Type, path: str, faults: list[str]) -> Any:
    if isinstance(wanted, types.Struct):
        return _fields(value, wanted, path, faults)
    if isinstance(wanted, types.ListOf):
        if not isinstance(value, list):
            raise _mismatch(value, wanted.go_name)
        items = enumerate(value)
        return [_value(item, wanted.item, f"{path}[{i}]", faults) for i, item in items]
    if isinstance(wanted, types.MapOf):
        if not isinstance(value, dict):
            raise _mismatch(value, wanted.go_name)
        return {key: _value(item, wanted.item, path, faults) for key, item in value.items()}
    return _scalar(value, wanted)


def _fields(value: Any, struct: types.Struct, path: str, faults: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, f"v1.{struct.name}")
    found = {}
    for key, item in value.items():
        inner = f"{path}.{key}" if path else key
        if key not in struct.fields:
            faults.append(f"unknown field {quoted_string(inner)}")
        elif item is not None:
            try:
                found[key] = _value(item, struct.fields[key], inner, faults)
            except _Mismatch as error:
                error.struct = error.struct or struct.name
                error.steps.append(key)
                raise
    return found


def _mismatch(value: Any, wanted: str) -> _Mismatch:
    return _Mismatch(_WORDS.get(value.__class__, "object"), wanted)


def _scalar(value: Any, wanted: str) -> Any:
    if wanted == "raw":
        return value
    if wanted in _RANGES:
        return _integer(value, wanted)
    if wanted == "float32":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _mismatch(value, wanted)
        return value
    if wanted == "bool":
        if not isinstance(value, bool):
            raise _mismatch(value, wanted)
        return value
    if not isinstance(value, str):
        raise _mismatch(value, "string" if wanted == "v1.Duration" else wanted)
    if wanted == "v1.Duration":
        try:
            return durations.format(durations.parse(value))
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if wanted == "[]uint8":
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ConfigError("illegal base64 data in a field of tlsConfig") from None
    return value


def _integer(value: Any, wanted: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, wanted)
    bound = _RANGES[wanted]
    if not isinstance(value, int) or not -bound <= value < bound:
        raise _Mismatch(f"number {value}", wanted)
    return value


def _decode_args(config: dict[str, Any]) -> None:
    """The arguments of plugins in the tree; those of others are theirs to read."""
    faults = []
    for i, profile in enumerate(config.get("profiles") or ()):
        for j, plugin in enumerate(profile.get("pluginConfig") or ()):
            name = plugin.get("name", "")
            struct = types.PLUGIN_ARGS.get(name)
            if struct is None:
                continue
            unknown: list[str] = []
            where = f"decoding .profiles[{i}].pluginConfig[{j}]: "
            try:
                plugin["args"] = _args(plugin.get("args") or {}, name, struct, unknown)
            except ConfigError as error:
                raise ConfigError(f"{where}{error}") from None
            if unknown:
                of_plugin = f"{_STRICT}decoding args for plugin {name}: {_STRICT}"
                faults.append(f"{where}{of_plugin}{', '.join(unknown)}")
    if faults:
        raise ConfigError(_STRICT + ", ".join(faults))


def _args(args: Any, name: str, struct: types.Struct, unknown: list[str]) -> dict[str, Any]:
    if isinstance(args, dict):
        version, kind = args.get("apiVersion", types.API_VERSION), args.get("kind", struct.name)
        known = any(kind == each.name for each in types.PLUGIN_ARGS.values())
        if version != types.API_VERSION or not known:
            raise ConfigError(f"decoding args for plugin {name}: {_no_kind(kind, version)}")
        if kind != struct.name:
            wanted, got = f"{struct.name}.{types.GROUP}", f"{kind}.{types.GROUP}"
            raise ConfigError(f"args for plugin {name} were not of type {wanted}, got {got}")
    try:
        return _struct(args, struct, unknown)
    except ConfigError as error:
        raise ConfigError(f"decoding args for plugin {name}: {error}") from None
