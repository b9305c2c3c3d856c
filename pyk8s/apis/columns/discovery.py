# SPDX-License-Identifier: Apache-2.0
"""The discovery.k8s.io group: endpoint slices."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource

_SLICE = API + "discovery.v1.EndpointSlice."
_SHOWN = 3


def _port(port: Object) -> str:
    """`*` for a port without number and name, which is all ports."""
    if port.get("port") is not None:
        return str(port["port"])
    name = port.get("name")
    return "*" if name is None else name


def _cells(obj: Object, now: float) -> list[Any]:
    ports = [_port(port) for port in obj.get("ports") or ()]
    addresses = [
        address
        for endpoint in obj.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    ]
    return [
        obj["metadata"].get("name", ""),
        obj.get("addressType", ""),
        texts.limited(ports, _SHOWN) or texts.UNSET,
        texts.limited(addresses, _SHOWN) or texts.UNSET,
        ages.age(obj, now),
    ]


COLUMNS: ColumnsByResource = {
    GroupResource("discovery.k8s.io", "endpointslices"): Columns(
        columns=(
            NAME,
            Column("AddressType", doc=_SLICE + "addressType"),
            Column("Ports", doc=_SLICE + "ports"),
            Column("Endpoints", doc=_SLICE + "endpoints"),
            AGE,
        ),
        cells=_cells,
    )
}
