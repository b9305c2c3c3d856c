# SPDX-License-Identifier: Apache-2.0
"""The configuration a scheduler runs with: from a file, or by default; and back into YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import yamlcodec
from pyk8s.scheduler.config import decoding, defaults, types, validation
from pyk8s.scheduler.config.decoding import ConfigError

Config = dict[str, Any]


def load(path: str, leader_election: Mapping[str, Any] | None = None) -> Config:
    """What the file says, or the defaults for an empty path. `leader_election` are fields that
    flags set, which win over the file. Raises ConfigError."""
    return complete(decoding.decode(_read(path)) if path else {}, leader_election)


def complete(
    written: Mapping[str, Any], leader_election: Mapping[str, Any] | None = None
) -> Config:
    """Defaulted and found valid. Raises ConfigError with all faults at once."""
    config = defaults.defaulted(written)
    config["leaderElection"] |= leader_election or {}
    if errors := validation.validate(config):
        raise ConfigError(validation.message(errors))
    return config


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def printed(config: Mapping[str, Any]) -> bytes:
    """As YAML, with every field upstream's types print even when they say nothing."""
    profiles = [_printed_profile(profile) for profile in config["profiles"]]
    shown = {key: value for key, value in config.items() if value or key not in _OMITTED}
    return yamlcodec.encode_yaml({**shown, "profiles": profiles})


_OMITTED = ("delayCacheUntilActive", "extenders")


def _printed_profile(profile: Mapping[str, Any]) -> Config:
    configured = sorted(profile["pluginConfig"], key=lambda each: str(each["name"]))
    plugins = {
        point: {kind: [_printed_plugin(plugin) for plugin in listed] for kind, listed in of.items()}
        for point, of in profile["plugins"].items()
    }
    return {**profile, "pluginConfig": configured, "plugins": plugins}


def _printed_plugin(plugin: Mapping[str, Any]) -> Config:
    return {"name": plugin.get("name", ""), "weight": plugin.get("weight", 0)}


__all__ = ["Config", "ConfigError", "complete", "load", "printed", "types"]
