# SPDX-License-Identifier: Apache-2.0
"""Tokens in Secrets: made, used, invalidated, and cleaned away."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster import ControlPlane, Http, eventually
from running import Clock, running
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.componenthelpers import tokensigning
from pyk8s.controllers.options import Options
from pyk8s.controllers.serviceaccount.legacy_cleaner import LegacyTokenCleaner, Verdict, judge
from pyk8s.controllers.serviceaccount.tokens import TokenController, issuer

Object = dict[str, Any]


def token_secret(name: str, account: str) -> Object:
    annotations = {tokensigning.ACCOUNT_NAME: account}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "type": tokensigning.SECRET_TYPE,
    }


async def filled(world: World, name: str) -> Object:
    async def found() -> Object | None:
        secret = await world.find(resources.SECRETS, name)
        return secret if secret is not None and "token" in (secret.get("data") or {}) else None

    secret: Object = await eventually(found, f"{name} holds a token")
    return secret


def review(plane: ControlPlane, secret: Object) -> Object:
    http = Http(plane.access)
    token = base64.b64decode(secret["data"]["token"]).decode()
    answer = http.create("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    http.close()
    status: Object = answer["status"]
    return status


@pytest.mark.usefixtures("nodeless")
async def test_a_token_lives_and_dies(world: World, plane: ControlPlane) -> None:
    """The Secret is filled; the token is its account's; it ends with the account."""
    account = await world.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "robot"}})
    await world.create(resources.SECRETS, token_secret("robot-token", "robot"))
    secret = await filled(world, "robot-token")
    assert base64.b64decode(secret["data"]["namespace"]).decode() == world.namespace
    assert b"BEGIN CERTIFICATE" in base64.b64decode(secret["data"]["ca.crt"])
    assert meta.annotations(secret)[tokensigning.ACCOUNT_UID] == meta.uid(account)
    status = review(plane, secret)
    assert status["user"]["username"] == f"system:serviceaccount:{world.namespace}:robot"
    assert status["user"]["uid"] == meta.uid(account)
    used = await world.find(resources.SECRETS, "robot-token")
    assert used is not None
    # The test may run across midnight.
    days = {datetime.now(UTC).date() - timedelta(days=n) for n in (0, 1)}
    assert meta.labels(used)[tokensigning.LAST_USED] in map(str, days)
    await world.delete(resources.SERVICE_ACCOUNTS, "robot")
    await world.until_gone(resources.SECRETS, "robot-token")
    status = review(plane, secret)
    assert not status.get("authenticated")
    assert status["error"] == "[invalid bearer token, service account token has been invalidated]"


@pytest.mark.usefixtures("nodeless")
async def test_a_token_for_nobody_goes(world: World) -> None:
    """A Secret of an account that is not there is deleted."""
    await world.create(resources.SECRETS, token_secret("stray", "nobody"))
    await world.until_gone(resources.SECRETS, "stray")


@pytest.mark.usefixtures("nodeless")
async def test_an_invalid_token(world: World, plane: ControlPlane) -> None:
    """The label keeps it from being accepted, and who takes it off may use it again."""
    await world.create(resources.SECRETS, token_secret("t", "default"))
    secret = await filled(world, "t")
    label = {tokensigning.INVALID_SINCE: "2026-01-01"}
    await world.patch(resources.SECRETS, "t", {"metadata": {"labels": label}})
    await eventually(lambda: not review(plane, secret).get("authenticated"), "it is refused")
    status = review(plane, secret)
    assert f"the token in secret {world.namespace}/t for service account" in status["error"]
    label[tokensigning.INVALID_SINCE] = None  # type: ignore[assignment]
    await world.patch(resources.SECRETS, "t", {"metadata": {"labels": label}})
    await eventually(lambda: review(plane, secret).get("authenticated"), "it is accepted")


@pytest.mark.usefixtures("nodeless")
async def test_a_deleted_secret_is_struck_from_the_account(world: World) -> None:
    """What the account lists is what there is."""
    await world.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "a"}})
    await world.create(resources.SECRETS, token_secret("t", "a"))
    await filled(world, "t")
    listed = [{"name": "t"}, {"name": "other"}]
    await world.patch(resources.SERVICE_ACCOUNTS, "a", {"secrets": listed})
    await world.delete(resources.SECRETS, "t")

    async def is_struck() -> bool:
        account = await world.find(resources.SERVICE_ACCOUNTS, "a")
        return account is not None and account["secrets"] == [{"name": "other"}]

    await eventually(is_struck, "the reference is gone")


_NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
_PERIOD = timedelta(days=10)


@pytest.mark.parametrize(
    ("labels", "created", "listed", "verdict"),
    [
        pytest.param({}, "2026-01-01", True, Verdict(marks=True), id="never used"),
        pytest.param({}, "2026-06-14", True, Verdict(), id="new"),
        pytest.param({}, "2026-01-01", False, Verdict(), id="made by a user"),
        pytest.param({tokensigning.LAST_USED: "2026-06-14"}, "2026-01-01", True, Verdict(),
                     id="used"),
        pytest.param({tokensigning.LAST_USED: "today"}, "2026-01-01", True, Verdict(),
                     id="no day"),
        pytest.param({tokensigning.LAST_USED: "2026-02-01"}, "2026-01-01", True,
                     Verdict(marks=True), id="used long ago"),
        pytest.param({tokensigning.INVALID_SINCE: "2026-06-10"}, "2026-01-01", True, Verdict(),
                     id="invalid for a while"),
        pytest.param({tokensigning.INVALID_SINCE: "2026-06-01"}, "2026-01-01", True,
                     Verdict(deletes=True), id="invalid for long"),
    ],
)  # fmt: skip
def test_judge(labels: Object, created: str, listed: bool, verdict: Verdict) -> None:
    """What nobody used for the period is marked, and goes after as long again."""
    secret = token_secret("t", "a")
    secret["metadata"].update(labels=labels, creationTimestamp=f"{created}T00:00:00Z")
    account = {"metadata": {"name": "a", "uid": "u"}, "secrets": [{"name": "t"}] if listed else []}
    assert judge(secret, account, _NOW, _PERIOD) == verdict


async def test_the_cleaner(quiet: World, tmp_path: Path) -> None:
    """It leaves alone what a pod mounts, marks the others, and deletes them in the end."""
    for name in ("old", "mounted"):
        await quiet.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": f"of-{name}"}})
        await quiet.create(resources.SECRETS, token_secret(name, f"of-{name}"))
        listed = {"secrets": [{"name": name}]}
        await quiet.patch(resources.SERVICE_ACCOUNTS, f"of-{name}", listed)
    volume = {"name": "v", "secret": {"secretName": "mounted"}}
    container = {"name": "c", "image": "i"}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": [volume]}}
    await quiet.create(resources.PODS, pod)
    clock = Clock()
    clock.seconds = datetime.now(UTC).timestamp()
    days = 24 * 3600
    options = Options(legacy_service_account_token_clean_up_period=10 * days)
    async with running(
        quiet.client, lambda context: LegacyTokenCleaner(context, clock), options
    ) as cleaner:
        assert isinstance(cleaner, LegacyTokenCleaner)
        clock.seconds += 9 * days
        await cleaner.look()
        assert await labels_of(quiet, "old") == {}
        clock.seconds += 3 * days
        await cleaner.look()
        today = datetime.fromtimestamp(clock.seconds, UTC).strftime("%Y-%m-%d")
        assert await labels_of(quiet, "old") == {tokensigning.INVALID_SINCE: today}
        clock.seconds += 12 * days
        await cleaner.look()
        assert await quiet.names(resources.SECRETS) == ["mounted"]
        assert await labels_of(quiet, "mounted") == {}


async def labels_of(world: World, name: str) -> Object:
    found = await world.find(resources.SECRETS, name)
    assert found is not None
    return dict(meta.labels(found))


def test_a_key_file_that_is_none(tmp_path: Path) -> None:
    """The controller names the file."""
    path = tmp_path / "key"
    path.write_text("no key")
    options = Options(service_account_private_key_file=str(path))
    assert TokenController.is_wanted(options)
    with pytest.raises(ValueError, match=str(path)):
        issuer(options)
