# SPDX-License-Identifier: Apache-2.0
"""From a profile of the configuration to the plugins of each extension point, in order.

Of a point, those of `multiPoint` that it names itself come first, in its order; then the others of
`multiPoint`; then what only the point names. Mirrors `expandMultiPointPlugins` and what is around
it in `framework/runtime/framework.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.scheduler import registry
from pyk8s.scheduler.config import defaults, types
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.fitting import Fitted
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.handle import Handle as Handle
from pyk8s.scheduler.handle import handle_of as handle_of

DEFAULT_SCHEDULER = defaults.DEFAULT_SCHEDULER

Config = Mapping[str, Any]


def default_profile(handle: Handle) -> Profile:
    """Upstream's default plugins in upstream's order, with upstream's weights."""
    return make_profile(defaults.defaulted({})["profiles"][0], handle)


def make_profiles(config: Config, handle: Handle) -> dict[str, Profile]:
    """Those of a complete configuration, by scheduler name. Raises ConfigError."""
    ignored = [
        resource["name"]
        for extender in config.get("extenders") or ()
        for resource in extender.get("managedResources") or ()
        if resource.get("ignoredByScheduler")
    ]
    made = [make_profile(_ignoring(each, ignored), handle) for each in config["profiles"]]
    sorts = {profile.at("queueSort")[0].name for profile in made}
    if len(sorts) > 1:
        # With multiPoint they may differ although the configuration's queueSort is the same.
        raise ConfigError("initializing profiles: different queue sort plugins")
    return {profile.name: profile for profile in made}


def _ignoring(profile: Config, resources: list[str]) -> Config:
    """Of what an extender manages alone NodeResourcesFit has to know nothing."""
    configured = []
    for each in profile["pluginConfig"]:
        if resources and each["name"] == "NodeResourcesFit":
            args = each["args"]
            listed = [*(args.get("ignoredResources") or ()), *resources]
            configured.append({**each, "args": {**args, "ignoredResources": listed}})
        else:
            configured.append(each)
    return {**profile, "pluginConfig": configured}


def check_profiles(config: Config) -> None:
    """Whether there are all plugins that are asked for, without making them. Raises ConfigError."""
    for profile in config["profiles"]:
        names = _needed(profile["plugins"])
        found = registry.find(names)
        for name in names:
            if name not in found:
                raise _refused(profile, f'plugin "{name}" does not exist')


def make_profile(config: Config, handle: Handle) -> Profile:
    """Raises ConfigError."""
    args = {each["name"]: each.get("args") or {} for each in config["pluginConfig"]}
    plugins = config["plugins"]
    try:
        made = {
            name: registry.make(name, factory, args.get(name, {}), handle)
            for name, factory in registry.find(_needed(plugins)).items()
        }
        points = {point: _at(point, plugins, made) for point in interface.POINTS}
        _check(config, points)
    except ConfigError as error:
        raise _refused(config, str(error)) from error
    foreign = [each for each in made.values() if isinstance(each, Fitted)]
    return Profile(
        name=config["schedulerName"], points=points, weights=_weights(plugins), foreign=foreign
    )


def _refused(profile: Config, why: str) -> ConfigError:
    name = profile["schedulerName"]
    return ConfigError(f"initializing profiles: creating profile for scheduler name {name}: {why}")


def _needed(plugins: Config) -> list[str]:
    of_points = (plugins[point] for point in (types.MULTI_POINT, *types.EXTENSION_POINTS))
    names = (each["name"] for of in of_points for each in of.get("enabled") or ())
    return [*dict.fromkeys(names)]


def _at(point: str, plugins: Config, made: Mapping[str, Any]) -> list[Any]:
    kind = f"{point[0].upper()}{point[1:]}Plugin"
    own = _own(point, kind, plugins[point], made)
    disabled = {each["name"] for each in plugins[point].get("disabled") or ()}
    if defaults.ALL in disabled:
        return [made[name] for name in own]
    overriding: set[str] = set()
    others: dict[str, None] = {}
    for each in plugins[types.MULTI_POINT].get("enabled") or ():
        name = each["name"]
        if name not in made:
            raise ConfigError(f'{kind} "{name}" does not exist')
        if not isinstance(made[name], interface.POINTS[point]) or name in disabled:
            continue
        if name in own:
            overriding.add(name)
        elif name in others:
            raise ConfigError(f'plugin "{name}" already registered as "{kind}"')
        else:
            others[name] = None
    first = [name for name in own if name in overriding]
    last = [name for name in own if name not in overriding]
    return [made[name] for name in (*first, *others, *last)]


def _own(point: str, kind: str, plugin_set: Config, made: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for each in plugin_set.get("enabled") or ():
        name = each["name"]
        if name not in made:
            raise ConfigError(f'{kind} "{name}" does not exist')
        if not isinstance(made[name], interface.POINTS[point]):
            raise ConfigError(f'plugin "{name}" does not extend {kind} plugin')
        if name in names:
            raise ConfigError(f'plugin "{name}" already registered as "{kind}"')
        names.append(name)
    return names


def _check(config: Config, points: Mapping[str, list[Any]]) -> None:
    name, sorts = config["schedulerName"], len(points["queueSort"])
    if sorts != 1:
        raise ConfigError(
            f'only one queue sort plugin required for profile with scheduler name "{name}", '
            f"but got {sorts}"
        )
    if not points["bind"]:
        raise ConfigError(
            f'at least one bind plugin is needed for profile with scheduler name "{name}"'
        )
    for first, then in (("preFilter", "filter"), ("preScore", "score")):
        for plugin in points[then]:
            prepares = isinstance(plugin, interface.POINTS[first])
            if prepares and plugin not in points[first] and not isinstance(plugin, Fitted):
                raise ConfigError(f'plugin "{plugin.name}" cannot {then} without its {first}')


def _weights(plugins: Config) -> dict[str, int]:
    """What a score point says wins over what multiPoint says."""
    weights: dict[str, int] = {}
    for point in ("score", types.MULTI_POINT):
        for each in plugins[point].get("enabled") or ():
            weights.setdefault(each["name"], each.get("weight") or 1)
    return weights
