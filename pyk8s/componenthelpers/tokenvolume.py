# SPDX-License-Identifier: Apache-2.0
"""The projected volume by which a Pod finds its token, the cluster's CA and its namespace.

Nearly every Pod has it, so that validation knows it when it sees it. Upstream's TokenVolumeSource.
"""

from __future__ import annotations

from typing import Any

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
NAME_PREFIX = "kube-api-access-"

# An hour, and seven seconds by which the server knows who asked for the default.
_TOKEN_SECONDS = 60 * 60 + 7
_FILE_MODE = 0o644


def projected() -> dict[str, Any]:
    """A new one each time: the object it goes into may be changed."""
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    items = [{"key": "ca.crt", "path": "ca.crt"}]
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": items}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
        ],
        "defaultMode": _FILE_MODE,
    }


# To compare with; never to be put into an object.
KNOWN = projected()
