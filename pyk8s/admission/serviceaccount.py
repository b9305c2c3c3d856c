# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount: every Pod runs as one, and finds its token, the cluster's CA and its namespace
under /var/run/secrets/kubernetes.io/serviceaccount.

Mirrors `plugin/pkg/admission/serviceaccount`. The accounts are read from the watch cache; one that
it does not know is asked of etcd, and `default`, which a controller makes right after its
namespace, is waited for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import errors, meta, names
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.componenthelpers import podsecrets, tokenvolume

SERVICE_ACCOUNTS = GroupResource("", "serviceaccounts")
DEFAULT_NAME = "default"
ENFORCE_MOUNTABLE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
MIRROR_POD = "kubernetes.io/config.mirror"

# Upstream looks ten times, with 100 to 200 ms between.
_DEFAULT_WAIT_SECONDS = 1.5
# As Go's strconv.ParseBool.
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


class ServiceAccount(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.UPDATE})
    resources = frozenset({interface.PODS})

    def __init__(self, accounts: Objects) -> None:
        self._accounts = accounts

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.operation != interface.CREATE or attributes.subresource:
            return
        pod = attributes.object
        if MIRROR_POD not in meta.annotations(pod):
            spec = pod["spec"]
            if not spec.get("serviceAccountName"):
                # The deprecated name follows the current one.
                spec["serviceAccountName"] = spec["serviceAccount"] = DEFAULT_NAME
            account = await self._account(attributes, spec["serviceAccountName"])
            if automounts(account, spec):
                mount_token(spec)
            if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
                named = account["imagePullSecrets"]
                spec["imagePullSecrets"] = [{"name": each.get("name", "")} for each in named]
        await self.validate(attributes)

    async def validate(self, attributes: interface.Attributes) -> None:
        if attributes.operation == interface.UPDATE:
            if attributes.subresource == "ephemeralcontainers":
                await self._check_ephemeral(attributes)
            return
        if attributes.subresource:
            return
        pod = attributes.object
        if MIRROR_POD in meta.annotations(pod):
            if fault := mirror_fault(pod):
                raise attributes.forbidden(fault)
            return
        account = await self._required(attributes)
        if enforces_mountable_secrets(account):
            for fault in secret_faults(account, pod["spec"]):
                raise attributes.forbidden(fault)

    async def _check_ephemeral(self, attributes: interface.Attributes) -> None:
        account = await self._required(attributes)
        if not enforces_mountable_secrets(account):
            return
        containers = attributes.object["spec"].get("ephemeralContainers") or ()
        for fault in _container_faults("ephemeral container", containers, account):
            raise attributes.forbidden(fault)

    async def _required(self, attributes: interface.Attributes) -> Object:
        name = attributes.object["spec"].get("serviceAccountName")
        if not name:
            where = f"{attributes.namespace}/{meta.of(attributes.object).get('name', '')}"
            raise attributes.forbidden(f"no service account specified for pod {where}")
        return await self._account(attributes, name)

    async def _account(self, attributes: interface.Attributes, name: str) -> Object:
        """Raises StatusError 403 where there is none."""
        namespace = attributes.namespace
        found = await self._accounts.get(namespace, name)
        if found is None:
            found = await self._accounts.get(namespace, name, fresh=True)
        if found is None and name == DEFAULT_NAME:
            found = await self._accounts.wait_for(namespace, name, _DEFAULT_WAIT_SECONDS)
        if found is None:
            why = errors.not_found(GroupResource("", "serviceaccount"), name).message
            where = f"{namespace}/{name}"
            raise attributes.forbidden(f"error looking up service account {where}: {why}")
        return found


def automounts(account: Object, spec: Object) -> bool:
    """The Pod's own word counts, then the account's."""
    for said in (spec, account):
        if said.get("automountServiceAccountToken") is not None:
            return bool(said["automountServiceAccountToken"])
    return True


def mount_token(spec: Object) -> None:
    """Into every container that has nothing in that place. Changes the spec."""
    volumes = spec.get("volumes") or ()
    # Validation comes later: what it wants need not be there yet.
    named = (volume.get("name", "") for volume in volumes)
    own = next((each for each in named if each.startswith(tokenvolume.NAME_PREFIX)), "")
    name = own or names.generate_name(tokenvolume.NAME_PREFIX)
    is_needed = False
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts = container.get("volumeMounts") or ()
            if any(mount.get("mountPath") == tokenvolume.MOUNT_PATH for mount in mounts):
                continue
            mount = {"name": name, "readOnly": True, "mountPath": tokenvolume.MOUNT_PATH}
            container["volumeMounts"] = [*mounts, mount]
            is_needed = True
    if is_needed and not own:
        spec["volumes"] = [*volumes, {"name": name, "projected": tokenvolume.projected()}]


# --- what a Pod may name


def mirror_fault(pod: Object) -> str:
    """What a Pod that only mirrors one of a node's own files may not have; empty if nothing."""
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if any(podsecrets.names(spec)):
        return "a mirror pod may not reference secrets"
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def enforces_mountable_secrets(account: Object) -> bool:
    return meta.annotations(account).get(ENFORCE_MOUNTABLE_SECRETS) in _TRUE


def secret_faults(account: Object, spec: Object) -> Iterator[str]:
    """What the Pod names of Secrets that its account does not."""
    mountable = _names(account, "secrets")
    end = _not_referenced(account)
    for volume in spec.get("volumes") or ():
        secret = volume.get("secret")
        if secret is not None and (name := secret.get("secretName", "")) not in mountable:
            yield f'volume with secret.secretName="{name}" is not allowed because {end}'
    yield from _container_faults("init container", spec.get("initContainers") or (), account)
    yield from _container_faults("container", spec.get("containers") or (), account)
    pull = _names(account, "imagePullSecrets")
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if (name := reference.get("name", "")) not in pull:
            who = f"service account {meta.name(account)}"
            yield (
                f'imagePullSecrets[{index}].name="{name}" is not allowed because {who} does not '
                "reference that imagePullSecret"
            )


def _container_faults(kind: str, containers: Any, account: Object) -> Iterator[str]:
    mountable = _names(account, "secrets")
    end = _not_referenced(account)
    for container in containers:
        who = f"{kind} {container.get('name', '')}"
        for variable in container.get("env") or ():
            chosen = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if chosen is not None and (name := chosen.get("name", "")) not in mountable:
                shown = variable.get("name", "")
                what = f'envVar {shown} referencing secret.secretName="{name}"'
                yield f"{who} with {what} is not allowed because {end}"
        for source in container.get("envFrom") or ():
            chosen = source.get("secretRef")
            if chosen is not None and (name := chosen.get("name", "")) not in mountable:
                what = f'envFrom referencing secret.secretName="{name}"'
                yield f"{who} with {what} is not allowed because {end}"


def _names(account: Object, field: str) -> frozenset[str]:
    return frozenset(each.get("name", "") for each in account.get(field) or ())


def _not_referenced(account: Object) -> str:
    return f"service account {meta.name(account)} does not reference that secret"
