# SPDX-License-Identifier: Apache-2.0
"""A component's health and metrics over TLS, for those whom the API server lets have them.

    --secure-port -> TLS -> always allowed, or user -> may get the path -> page

Mirrors `k8s.io/apiserver/pkg/server/options`: secure serving with delegated authentication and
authorization, as kube-controller-manager and kube-scheduler have it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pyk8s.apimachinery import codec, errors
from pyk8s.client import rest
from pyk8s.client.client import Client
from pyk8s.componentbase import serving
from pyk8s.serving import certificate
from pyk8s.serving.delegation import (
    ALWAYS_ALLOWED_PATHS,
    Delegation,
    User,
    always_allowed_by,
    bearer_token,
    user_of_certificate,
)

_ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureServing:
    """Upstream's flags. Port 0 serves nothing; without a certificate one is signed for localhost,
    the host's name and the address; without a CA no client certificate counts, only tokens do."""

    bind_address: str = "127.0.0.1"
    secure_port: int = 0
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    authorization_always_allow_paths: tuple[str, ...] = ALWAYS_ALLOWED_PATHS


async def serve(options: SecureServing, client: Client, page: serving.Page) -> asyncio.Server:
    """`client` asks who may. Raises OSError for a taken port and for files that do not serve."""
    tls = certificate.server_context(
        dict.fromkeys(["localhost", socket.gethostname(), options.bind_address]),
        client_ca_file=options.client_ca_file,
        cert_file=options.tls_cert_file,
        key_file=options.tls_private_key_file,
    )
    page = guarded(page, Delegation(client), options.authorization_always_allow_paths)
    return await serving.serve(options.bind_address, options.secure_port, page, tls)


def guarded(
    page: serving.Page, auth: Delegation, always_allowed: Sequence[str] = ALWAYS_ALLOWED_PATHS
) -> serving.Page:
    """The page, for those who may ask for its path."""
    is_open = always_allowed_by(always_allowed)

    async def answer(question: serving.Question) -> serving.Answer:
        if is_open(question.path):
            return await page(question)
        try:
            await _admit(question, auth)
        except errors.StatusError as refused:
            return _refusal(refused)
        except rest.ServerUnreachable as error:
            return _refusal(errors.internal_error(f"cannot ask who may: {error}"))
        return await page(question)

    return answer


async def _admit(question: serving.Question, auth: Delegation) -> None:
    """Raises StatusError for who may not, and whom nobody knows."""
    token = bearer_token(question.headers.get("authorization", ""))
    user = user_of_certificate(question.certificate) or await auth.user_of_token(token)
    if user is None and token:
        raise errors.unauthorized()
    user = user or _ANONYMOUS
    wanted = {"path": question.path, "verb": question.method.lower()}
    if not await auth.may(user, nonResourceAttributes=wanted):
        cannot = f'User "{user.name}" cannot {wanted["verb"]} path "{question.path}"'
        raise errors.StatusError(403, errors.FORBIDDEN, f"forbidden: {cannot}", {})


def _refusal(error: errors.StatusError) -> serving.Answer:
    body = codec.encode_json(error.status)
    return serving.Answer(error.code, body, "application/json")
