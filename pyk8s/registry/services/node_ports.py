# SPDX-License-Identifier: Apache-2.0
"""Which node ports a Service wants from the pool, and which it has no use for any more.

Ports of one number under several protocols share a node port. Mirrors `initNodePorts`,
`updateNodePorts` and the health check's part of upstream's
`pkg/registry/core/service/storage/alloc.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyk8s.apimachinery import errors
from pyk8s.apimachinery import field as fields
from pyk8s.apis import services
from pyk8s.registry.services.families import KIND

ANY = 0

# Where a request that is not one of spec.ports stands: the health check's.
HEALTH = -1

Spec = Mapping[str, Any]


class Request(NamedTuple):
    """One port of the pool: `number`, or ANY; for spec.ports[`at`], or HEALTH."""

    number: int
    at: int


@dataclass(slots=True)
class Plan:
    """`shares` maps an index of spec.ports without a node port to the request it lives on;
    `released` goes back to the pool once the Service is written."""

    requests: list[Request] = field(default_factory=list)
    shares: dict[int, int] = field(default_factory=dict)
    released: list[int] = field(default_factory=list)

    def add(self, number: int, at: int) -> None:
        self.requests.append(Request(number, at))

    def fill_in(self, spec: dict[str, Any], numbers: Sequence[int]) -> None:
        """Write into `spec` what the requests were answered with."""
        for request, number in zip(self.requests, numbers, strict=True):
            if request.at == HEALTH:
                spec["healthCheckNodePort"] = number
            else:
                spec["ports"][request.at]["nodePort"] = number
        for index, request_index in self.shares.items():
            spec["ports"][index]["nodePort"] = numbers[request_index]

    def refusal(self, position: int, name: str, why: str) -> errors.StatusError:
        """What to answer when the request at that position cannot be met."""
        number, at = self.requests[position]
        if at == HEALTH:
            what = (
                f"requested HealthCheck NodePort {number}" if number else "a HealthCheck NodePort 0"
            )
            return errors.internal_error(f"failed to allocate {what}: {why}")
        if not number:
            return errors.internal_error(f"failed to allocate a nodePort: {why}")
        path = fields.Path("spec", "ports").index(at).child("nodePort")
        return errors.invalid(KIND, name, [fields.invalid(path, number, why)])


def for_create(spec: Spec) -> Plan:
    plan = Plan()
    if _takes_node_ports(spec):
        _request_new(plan, spec)
    if services.needs_health_check(spec):
        plan.add(spec.get("healthCheckNodePort") or ANY, HEALTH)
    return plan


def for_update(new: Spec, old: Spec) -> Plan:
    """Raises the 500 that upstream answers to a node port that is listed twice."""
    plan = Plan()
    before = node_ports(old)
    if _takes_node_ports(new):
        _request_more(plan, new, before)
    if _takes_node_ports(old):
        kept = node_ports(new) if _takes_node_ports(new) else []
        plan.released += [number for number in before if number not in kept]
    checked, checks = services.needs_health_check(old), services.needs_health_check(new)
    if checks and not checked:
        plan.add(new.get("healthCheckNodePort") or ANY, HEALTH)
    elif checked and not checks and old.get("healthCheckNodePort"):
        plan.released.append(old["healthCheckNodePort"])
    return plan


def node_ports(spec: Spec) -> list[int]:
    return [port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")]


def held(spec: Spec) -> list[int]:
    """All ports of the pool that a stored Service has."""
    numbers = node_ports(spec)
    if services.needs_health_check(spec) and spec.get("healthCheckNodePort"):
        numbers.append(spec["healthCheckNodePort"])
    return list(dict.fromkeys(numbers))


def _takes_node_ports(spec: Spec) -> bool:
    """Whether node ports may stand in it; a load balancer can do without, but keeps those it
    names."""
    return spec.get("type") in (services.NODE_PORT, services.LOAD_BALANCER)


def _request_new(plan: Plan, spec: Spec) -> None:
    ports = spec.get("ports", ())
    requested_by: dict[int, int] = {}
    for index, port in enumerate(ports):
        own = port.get("nodePort") or ANY
        if not own and not services.needs_node_port(spec):
            continue
        number = port.get("port", 0)
        if number not in requested_by:
            requested_by[number] = len(plan.requests)
            plan.add(_wanted_for(number, ports), index)
            continue
        request = plan.requests[requested_by[number]]
        if not own:
            plan.shares[index] = requested_by[number]
        elif own != request.number:
            plan.add(own, index)


def _wanted_for(number: int, ports: Sequence[Mapping[str, Any]]) -> int:
    """The node port that one of the ports of this number names."""
    for port in ports:
        if port.get("port", 0) == number and port.get("nodePort"):
            wanted: int = port["nodePort"]
            return wanted
    return ANY


def _request_more(plan: Plan, new: Spec, before: Sequence[int]) -> None:
    seen: set[tuple[str, int]] = set()
    requested: set[int] = set()
    for index, port in enumerate(new.get("ports", ())):
        number = port.get("nodePort") or ANY
        if not number:
            if services.needs_node_port(new):
                plan.add(ANY, index)
            continue
        if number not in before and number not in requested:
            plan.add(number, index)
            requested.add(number)
        key = (port.get("protocol", ""), number)
        if key in seen:
            raise errors.StatusError(500, "", f"duplicate nodePort: {{{key[0]} {number}}}")
        seen.add(key)
