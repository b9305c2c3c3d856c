# SPDX-License-Identifier: Apache-2.0
"""Bootstrap tokens: who they let in, what they sign, and that they end."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import ControlPlane, Http, eventually
from running import Clock, running
from world import World

from pyk8s.auth.bootstraptoken import Authenticator
from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.componenthelpers import bootstraptokens
from pyk8s.controllers.bootstrap import signer
from pyk8s.controllers.bootstrap.cleaner import TokenCleaner

Object = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "0123456789abcdef"


def token_secret(token_id: str = "abcdef", **data: str) -> Object:
    """Underscores in names of keys stand for dashes; an empty value leaves one out."""
    content = {
        "token-id": token_id,
        "token-secret": SECRET,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        **{key.replace("_", "-"): text for key, text in data.items()},
    }
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in content.items() if v}
    return {
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "type": bootstraptokens.SECRET_TYPE,
        "data": encoded,
    }


TOKEN = f"abcdef.{SECRET}"
_GROUPS = "system:bootstrappers:b,system:bootstrappers:a"


@pytest.mark.parametrize(
    ("token", "secret", "groups"),
    [
        pytest.param(TOKEN, token_secret(), ("system:bootstrappers",), id="plain"),
        pytest.param(
            TOKEN,
            token_secret(auth_extra_groups=_GROUPS),
            ("system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b"),
            id="extra groups",
        ),
        pytest.param(TOKEN, token_secret(expiration="2026-01-01T00:00:01Z"),
                     ("system:bootstrappers",), id="not expired"),
        pytest.param(TOKEN, token_secret(expiration="2026-01-01T00:00:00Z"), None, id="expired"),
        pytest.param(TOKEN, token_secret(expiration="soon"), None, id="no time"),
        pytest.param(TOKEN, token_secret(auth_extra_groups="system:masters"), None,
                     id="a group of others"),
        pytest.param(TOKEN, token_secret(usage_bootstrap_authentication=""), None,
                     id="not for authentication"),
        pytest.param(TOKEN, {**token_secret(), "type": "Opaque"}, None, id="another type"),
        pytest.param(TOKEN, token_secret(token_secret="f" * 16), None, id="another secret"),
        pytest.param(TOKEN, token_secret(token_id="ghijkl"), None, id="another id"),
        pytest.param(TOKEN, None, None, id="no Secret"),
        pytest.param("abcdef.short", token_secret(), None, id="no token"),
    ],
)  # fmt: skip
async def test_who_comes_in(token: str, secret: Object | None, groups: Any) -> None:
    """The whole token counts, its type, its time and what it is for."""

    async def find(resource: str, namespace: str, name: str, uid: str) -> Object | None:
        assert (resource, namespace) == ("secrets", "kube-system")
        assert name == "bootstrap-token-abcdef"
        return secret

    found = await Authenticator(find, NOW.timestamp).authenticate_token(token)
    if groups is None:
        assert found is None
    else:
        assert found is not None
        assert (found.name, found.groups) == ("system:bootstrap:abcdef", groups)


def test_signature() -> None:
    """As any JWS library computes it."""
    signed = bootstraptokens.detached_signature("", "joshua", "my voice is my passcode")
    assert signed == (
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk"
    )


def test_what_signs() -> None:
    """Tokens that may, by the name of their Secret; and nothing else stays signed."""
    secrets = [
        token_secret(),
        token_secret("nosign", usage_bootstrap_signing=""),
        token_secret("passed", expiration="2025-01-01T00:00:00Z"),
        {**token_secret("renamd"), "metadata": {"name": "bootstrap-token-other1"}},
    ]
    tokens = signer.tokens_of(secrets, NOW)
    assert tokens == {"abcdef": SECRET}
    data = {"kubeconfig": "x", "jws-kubeconfig-passed": "old", "other": "y"}
    signed = signer.sign({"data": data}, tokens)
    assert signed is not None
    expected = bootstraptokens.detached_signature("x", "abcdef", SECRET)
    assert signed["data"] == {"kubeconfig": "x", "other": "y", "jws-kubeconfig-abcdef": expected}
    assert signer.sign(signed, tokens) is None
    assert signer.sign({"data": {"other": "y"}}, tokens) is None


async def delete_token(client: Client, token_id: str) -> None:
    await client.delete(resources.SECRETS, f"bootstrap-token-{token_id}", "kube-system")


@pytest.mark.usefixtures("nodeless")
async def test_in_a_cluster(client: Client, plane: ControlPlane) -> None:
    """`pyk8s up` signs cluster-info with a token, lets its holder in, and forgets it in time."""
    info = {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "content"}}
    await client.create(resources.CONFIGMAPS, info, "kube-public")
    soon = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await client.create(resources.SECRETS, token_secret(expiration=soon), "kube-system")

    async def signature() -> str:
        found = await client.get(resources.CONFIGMAPS, "cluster-info", "kube-public")
        return str(found["data"].get("jws-kubeconfig-abcdef", ""))

    assert await eventually(signature, "it is signed") == bootstraptokens.detached_signature(
        "content", "abcdef", SECRET
    )
    stranger = Http(plane.access, anonymous=True)
    answer = stranger(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {},
        {"Authorization": f"Bearer {TOKEN}"},
    )
    stranger.close()
    assert answer.json()["status"]["userInfo"] == {
        "username": "system:bootstrap:abcdef",
        "groups": ["system:bootstrappers", "system:authenticated"],
    }
    await delete_token(client, "abcdef")

    async def unsigned() -> bool:
        return not await signature()

    await eventually(unsigned, "the signature is gone")
    await client.delete(resources.CONFIGMAPS, "cluster-info", "kube-public")


async def test_the_cleaner(quiet: World) -> None:
    """A token goes when its time has come, and one without a time stays."""
    clock = Clock()
    clock.seconds = NOW.timestamp()
    later = token_secret("later0", expiration="2026-01-01T00:00:10Z")
    for secret in (later, token_secret("always"), token_secret("passed", expiration="never")):
        await quiet.client.create(resources.SECRETS, secret, "kube-system")

    async def names() -> list[str]:
        listed = await quiet.client.list(resources.SECRETS, "kube-system")
        return sorted(each["metadata"]["name"] for each in listed["items"])

    async with running(quiet.client, lambda context: TokenCleaner(context, clock)) as controller:

        async def are(*wanted: str) -> bool:
            return await names() == [f"bootstrap-token-{each}" for each in wanted]

        await eventually(lambda: are("always", "later0"), "the one that has expired is gone")
        clock.seconds += 10
        controller.queue.add(("kube-system", "bootstrap-token-later0"))
        await eventually(lambda: are("always"), "the other one as well")
    await delete_token(quiet.client, "always")
