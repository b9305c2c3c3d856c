# SPDX-License-Identifier: Apache-2.0
"""Makes, repairs and deletes the Pods of StatefulSets and their claims, and tells of it.

Mirrors upstream's `stateful_pod_control.go`, its events word for word.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, resources
from pyk8s.client.client import Client, DeleteOptions, Patch
from pyk8s.client.informer import SharedInformer
from pyk8s.controllers.batches import FAILURES
from pyk8s.controllers.statefulset import claims, identity


@dataclass(frozen=True, slots=True)
class PodControl:
    """`claims` is the informer of PersistentVolumeClaims. Everything raises StatusError and
    ServerUnreachable."""

    client: Client
    recorder: events.EventRecorder
    claims: SharedInformer

    async def create(self, stateful_set: Object, pod: Object) -> None:
        """Its claims first."""
        try:
            await self.create_claims(stateful_set, pod)
            created = await self.client.create(resources.PODS, pod)
        except FAILURES as error:
            if not _exists_already(error):
                self._tell(stateful_set, "create", pod, error)
            raise
        self._tell(stateful_set, "create", pod)
        await self.own_claims(stateful_set, created)

    async def create_missing_claims(self, stateful_set: Object, pod: Object) -> None:
        """For a pod that waits for them."""
        await self.create_claims(stateful_set, pod)
        await self.own_claims(stateful_set, pod)

    async def repair(self, stateful_set: Object, pod: Object) -> None:
        """Give a pod back its labels and claims."""
        if not self.claims_are_owned(stateful_set, pod):
            await self.own_claims(stateful_set, pod)
        made = pod if identity.has_identity(pod) else identity.with_identity(pod)
        if not identity.has_storage(stateful_set, pod):
            made = identity.with_storage(stateful_set, made)
        if made is pod:
            return
        try:
            await self.client.update(resources.PODS, made)
        except FAILURES as error:
            self._tell(stateful_set, "update", pod, error)
            raise
        self._tell(stateful_set, "update", pod)

    async def delete(self, stateful_set: Object, pod: Object) -> None:
        """This very pod, not one of the same name that came after it."""
        namespace, name = meta.namespaced_name(pod)
        options = DeleteOptions(uid=meta.uid(pod))
        try:
            await self.client.delete(resources.PODS, name, namespace, options)
        except FAILURES as error:
            if isinstance(error, errors.StatusError) and error.reason == errors.NOT_FOUND:
                return
            self._tell(stateful_set, "delete", pod, error)
            raise
        self._tell(stateful_set, "delete", pod)

    # --- claims

    def _claims_of(self, stateful_set: Object, pod: Object) -> list[Object]:
        found = []
        for template in identity.claim_templates(stateful_set):
            name = identity.claim_name(stateful_set, template, identity.ordinal_of(pod))
            claim = self.claims.indexer.get((meta.namespace(stateful_set), name))
            if claim is not None:
                found.append(claim)
        return found

    def has_stale_claim(self, stateful_set: Object, pod: Object) -> bool:
        found = self._claims_of(stateful_set, pod)
        return any(claims.is_stale(stateful_set, pod, claim) for claim in found)

    def claims_are_owned(self, stateful_set: Object, pod: Object) -> bool:
        """By whom the retention policy says."""
        return all(
            claims.wanted_references(stateful_set, pod, claim) is meta.owner_references(claim)
            for claim in self._claims_of(stateful_set, pod)
        )

    async def own_claims(self, stateful_set: Object, pod: Object) -> None:
        for claim in self._claims_of(stateful_set, pod):
            if claims.has_conflicting_controller(stateful_set, pod, claim):
                message = (
                    f"PersistentVolumeClaim {meta.name(claim)} has a conflicting OwnerReference "
                    "that acts as a managing controller, the retention policy is ignored for "
                    "this claim"
                )
                self.recorder.event(stateful_set, events.WARNING, "ConflictingController", message)
            wanted = claims.wanted_references(stateful_set, pod, claim)
            if wanted is meta.owner_references(claim):
                continue
            metadata = {
                "uid": meta.uid(claim),
                "resourceVersion": meta.resource_version(claim),
                "ownerReferences": list(wanted) or None,
            }
            await self.client.patch(
                resources.PERSISTENT_VOLUME_CLAIMS,
                meta.namespaced_name(claim),
                Patch(content={"metadata": metadata}),
            )

    async def create_claims(self, stateful_set: Object, pod: Object) -> None:
        for template in identity.claim_templates(stateful_set):
            made = claims.new_claim(stateful_set, template, pod)
            existing = self.claims.indexer.get(meta.namespaced_name(made))
            if existing is None:
                await self._create_claim(stateful_set, pod, made)
            elif meta.is_being_deleted(existing):
                # Made anew once it has gone: the world has to move on first.
                message = f"pvc {meta.name(made)} is being deleted"
                raise errors.StatusError(409, errors.CONFLICT, message)

    async def _create_claim(self, stateful_set: Object, pod: Object, claim: Object) -> None:
        what = f"create Claim {meta.name(claim)}"
        where = f"Pod {meta.name(pod)} in StatefulSet {meta.name(stateful_set)}"
        try:
            await self.client.create(resources.PERSISTENT_VOLUME_CLAIMS, claim)
        except FAILURES as error:
            if _exists_already(error):
                # Our cache is behind: it is there.
                return
            message = f"{what} for {where} failed error: {error}"
            self.recorder.event(stateful_set, events.WARNING, "FailedCreate", message)
            raise
        message = f"{what} {where} success"
        self.recorder.event(stateful_set, events.NORMAL, "SuccessfulCreate", message)

    def _tell(
        self, stateful_set: Object, verb: str, pod: Object, error: Exception | None = None
    ) -> None:
        what = f"{verb} Pod {meta.name(pod)} in StatefulSet {meta.name(stateful_set)}"
        if error is None:
            reason, message = f"Successful{verb.title()}", f"{what} successful"
            self.recorder.event(stateful_set, events.NORMAL, reason, message)
        else:
            reason, message = f"Failed{verb.title()}", f"{what} failed error: {error}"
            self.recorder.event(stateful_set, events.WARNING, reason, message)


def _exists_already(error: Exception) -> bool:
    return isinstance(error, errors.StatusError) and error.reason == errors.ALREADY_EXISTS
