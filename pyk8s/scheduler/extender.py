# SPDX-License-Identifier: Apache-2.0
"""HTTP extenders: services of others that filter, score and bind, asked beside the plugins.

    feasible nodes -> POST filter, one extender after the other -> POST prioritize, all at once

Mirrors `pkg/scheduler/extender.go`; on the wire the fields have the names of the Go types of
`kube-scheduler/extender/v1` (`Pod`, `NodeNames`, ...), and are read in any case, as Go does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec, durations, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import kubeconfig, rest
from pyk8s.scheduler.framework.interface import MAX_NODE_SCORE
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import Code, Status

_log = logging.getLogger(__name__)

# Under this name extenders are among those that rejected a pod.
NAME = "Extender"
# Extenders score from 0 to 10.
_SCORE_MAX = 10

Nodes = Mapping[str, Object]


class ExtenderError(Exception):
    """An extender that may not be ignored cannot be asked, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What extenders say of a pod: the nodes that all of them let pass, why not the others, and
    what is to be added to the scores."""

    passed: frozenset[str]
    failed: Mapping[str, Status] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)


class HTTPExtender:
    """One entry of `extenders`. To be made on a running loop, and closed. Raises KubeconfigError
    for certificates that are no good."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.url: str = config["urlPrefix"].rstrip("/")
        self.is_ignorable = bool(config.get("ignorable"))
        self.weight: int = config.get("weight") or 0
        self._verbs = {kind: config.get(f"{kind}Verb") or "" for kind in _KINDS}
        self._sends_names = bool(config.get("nodeCacheCapable"))
        self._managed = {each["name"] for each in config.get("managedResources") or ()}
        self._seconds_max = durations.parse(config["httpTimeout"]) / durations.SECOND
        self._rest = rest.RESTClient(_client_config(config), qps=0)

    async def close(self) -> None:
        await self._rest.close()

    def is_interested(self, pod: Object) -> bool:
        """Without managed resources in every pod, else in those that ask for one of them."""
        if not self._managed:
            return True
        spec = pod["spec"]
        return any(
            self._managed & {*((each.get("resources") or {}).get(kind) or ())}
            for each in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
            for kind in ("requests", "limits")
        )

    def does(self, kind: str) -> bool:
        return bool(self._verbs[kind])

    async def filter(self, pod: Object, nodes: Nodes) -> tuple[set[str], dict[str, Status]]:
        """Those that are left, and why not the others, as far as it says. Raises ExtenderError."""
        found = await self._asked("filter", self._args(pod, nodes))
        answer = _lowered(found)
        if answer.get("error"):
            raise ExtenderError(str(answer["error"]))
        names = answer.get("nodenames") if self._sends_names else None
        if names is None:
            listed = _lowered(answer.get("nodes") or {}).get("items") or ()
            names = [each["metadata"]["name"] for each in listed]
        for name in names:
            if name not in nodes:
                raise ExtenderError(
                    f'extender "{self.url}" claims a filtered node "{name}" which is not found in '
                    "the input node list"
                )
        failed = _statuses(answer.get("failednodes"), Code.UNSCHEDULABLE)
        failed |= _statuses(answer.get("failedandunresolvablenodes"), Code.UNRESOLVABLE)
        return {*names}, failed

    async def prioritize(self, pod: Object, nodes: Nodes) -> dict[str, int]:
        """Scores in the scale of plugins, weighed. Raises ExtenderError."""
        found = await self._asked("prioritize", self._args(pod, nodes))
        times = self.weight * MAX_NODE_SCORE // _SCORE_MAX
        listed = [_lowered(each) for each in found or ()]
        return {each["host"]: times * int(each.get("score") or 0) for each in listed}

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Raises ExtenderError."""
        namespace, name = pod.key
        args = {"PodName": name, "PodNamespace": namespace, "PodUID": pod.uid, "Node": node}
        answer = _lowered(await self._asked("bind", args) or {})
        if answer.get("error"):
            raise ExtenderError(str(answer["error"]))

    def _args(self, pod: Object, nodes: Nodes) -> Object:
        if self._sends_names:
            return {"Pod": pod, "Nodes": None, "NodeNames": [*nodes]}
        listed = {"metadata": {}, "items": [*nodes.values()]}
        return {"Pod": pod, "Nodes": listed, "NodeNames": None}

    async def _asked(self, kind: str, args: Object) -> Any:
        verb = self._verbs[kind]
        request = rest.Request(
            method="POST",
            path=f"/{verb}",
            body=codec.encode_json(args),
            seconds_max=self._seconds_max,
        )
        try:
            return codec.decode_json(await self._rest.request(request))
        except errors.StatusError as error:
            where = f"{self.url}/{verb}"
            message = f"failed {verb} with extender at URL {where}, code {error.code}"
            raise ExtenderError(message) from error
        except (rest.ServerUnreachable, codec.DecodeError) as error:
            raise ExtenderError(f'extender "{self.url}": {error}') from error


_KINDS = ("filter", "prioritize", "bind")


def _lowered(answer: Any) -> dict[str, Any]:
    return {key.lower(): value for key, value in answer.items()}


def _statuses(failed: Mapping[str, str] | None, code: Code) -> dict[str, Status]:
    return {name: Status(code, (why,), NAME) for name, why in (failed or {}).items()}


def _client_config(config: Mapping[str, Any]) -> kubeconfig.ClientConfig:
    tls = config.get("tlsConfig") or {}
    has_ca = bool(tls.get("caFile") or tls.get("caData"))
    cluster = {
        "server": config["urlPrefix"],
        "certificate-authority": tls.get("caFile"),
        "certificate-authority-data": tls.get("caData"),
        "tls-server-name": tls.get("serverName"),
        # As upstream: who asks for HTTPS and names no authority trusts anybody.
        "insecure-skip-tls-verify": tls.get("insecure")
        or (config.get("enableHTTPS") and not has_ca),
    }
    user = {
        "client-certificate": tls.get("certFile"),
        "client-certificate-data": tls.get("certData"),
        "client-key": tls.get("keyFile"),
        "client-key-data": tls.get("keyData"),
    }
    name = "extender"
    return kubeconfig.from_document(
        {
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
        }
    )


class Extenders:
    """All of them, those that may be ignored last."""

    def __init__(self, extenders: Sequence[HTTPExtender] = ()) -> None:
        self._extenders = sorted(extenders, key=lambda each: each.is_ignorable)

    async def close(self) -> None:
        for each in self._extenders:
            await each.close()

    def concern(self, pod: Object) -> bool:
        """Whether any has a say in where the pod goes."""
        return any(each.does("filter") or each.does("prioritize") for each in self._of(pod))

    def _of(self, pod: Object) -> list[HTTPExtender]:
        return [each for each in self._extenders if each.is_interested(pod)]

    async def opinion(self, pod: Object, nodes: Nodes) -> Opinion:
        """Of the feasible nodes. Raises ExtenderError, but not for one that may be ignored."""
        left = dict(nodes)
        failed: dict[str, Status] = {}
        for each in self._of(pod):
            if not left:
                break
            if not each.does("filter"):
                continue
            try:
                passed, why = await each.filter(pod, left)
            except ExtenderError as error:
                if not each.is_ignorable:
                    raise
                _log.warning("extender ignored: url=%s error=%s", each.url, error)
                continue
            failed |= why
            left = {name: node for name, node in left.items() if name in passed}
        return Opinion(frozenset(left), failed, await self._scores(pod, left))

    async def _scores(self, pod: Object, nodes: Nodes) -> Mapping[str, int]:
        """The sum of all; one that does not answer adds nothing, as upstream has it."""
        scoring = [each for each in self._of(pod) if each.does("prioritize")]
        if not scoring or not nodes:
            return {}
        asked = (each.prioritize(pod, nodes) for each in scoring)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        total = dict.fromkeys(nodes, 0)
        for each, answer in zip(scoring, answers, strict=True):
            if isinstance(answer, ExtenderError):
                _log.warning("extender ignored: url=%s error=%s", each.url, answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for name in total:
                    total[name] += answer.get(name, 0)
        return total

    async def bind(self, pod: PodInfo, node: str) -> bool:
        """Whether an extender has bound the pod. Raises ExtenderError."""
        for each in self._of(pod.pod):
            if not each.does("bind"):
                continue
            try:
                await each.bind(pod, node)
            except ExtenderError as error:
                if not each.is_ignorable:
                    raise
                _log.warning("extender ignored: url=%s error=%s", each.url, error)
                continue
            return True
        return False
