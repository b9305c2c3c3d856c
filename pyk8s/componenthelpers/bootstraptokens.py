# SPDX-License-Identifier: Apache-2.0
"""Bootstrap tokens: Secrets in kube-system by which a node that knows nothing yet comes to trust
the cluster, and the cluster the node.

Mirrors `k8s.io/cluster-bootstrap`. Values of a Secret are base64, as in the API.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from datetime import datetime

from pyk8s.apimachinery import codec, meta, times
from pyk8s.apimachinery.gvk import Object

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"
NAME_PREFIX = "bootstrap-token-"
USER_PREFIX = "system:bootstrap:"
GROUP = "system:bootstrappers"

# Keys of such a Secret.
ID = "token-id"
SECRET = "token-secret"
EXPIRATION = "expiration"
EXTRA_GROUPS = "auth-extra-groups"
FOR_AUTHENTICATION = "usage-bootstrap-authentication"
FOR_SIGNING = "usage-bootstrap-signing"

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})", re.ASCII)
_NAME = re.compile(rf"{NAME_PREFIX}([a-z0-9]{{6}})", re.ASCII)
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]", re.ASCII)


def parse(token: str) -> tuple[str, str] | None:
    """Its id and its secret part; None for what is no bootstrap token."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def value(secret: Object, key: str) -> str:
    """Empty where the key is not there or holds no text."""
    encoded = (secret.get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def seconds_left(secret: Object, now: datetime) -> float | None:
    """Zero or less once it has expired, as one does whose time cannot be read; None for one that
    never does."""
    text = value(secret, EXPIRATION)
    if not text:
        return None
    try:
        return (times.parse(text) - now).total_seconds()
    except ValueError:
        return 0.0


def has_expired(secret: Object, now: datetime) -> bool:
    left = seconds_left(secret, now)
    return left is not None and left <= 0


def groups(secret: Object) -> tuple[str, ...] | None:
    """Of whoever shows the token, sorted; None where an extra one is not allowed."""
    text = value(secret, EXTRA_GROUPS)
    extra = text.split(",") if text else []
    if not all(_EXTRA_GROUP.fullmatch(group) for group in extra):
        return None
    return tuple(sorted({GROUP, *extra}))


def for_signing(secret: Object, now: datetime) -> tuple[str, str] | None:
    """Id and secret part of one that may sign; None for others."""
    name = _NAME.fullmatch(meta.name(secret))
    token_id, token_secret = value(secret, ID), value(secret, SECRET)
    if name is None or name[1] != token_id or not token_secret:
        return None
    if has_expired(secret, now) or value(secret, FOR_SIGNING) != "true":
        return None
    return token_id, token_secret


def detached_signature(content: str, token_id: str, token_secret: str) -> str:
    """A JWS by HS256 whose content stands elsewhere (RFC 7515, appendix F)."""
    header = _encoded(codec.encode_json({"alg": "HS256", "kid": token_id}))
    signed = f"{header}.{_encoded(content.encode())}".encode()
    digest = hmac.new(token_secret.encode(), signed, hashlib.sha256).digest()
    return f"{header}..{_encoded(digest)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
