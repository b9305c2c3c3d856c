# SPDX-License-Identifier: Apache-2.0
"""Signs approved requests for the signers of Kubernetes itself.

What a signer must not give fails for good, as the condition says; a CA that does not serve is
tried again. The CA's files are read for each certificate, so that new ones count at once. Mirrors
upstream's `controller/certificates/signer`.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from typing import NamedTuple

from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.store import Key
from pyk8s.client.worker import Irreconcilable
from pyk8s.controllers.certificates import authority, requests
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.options import Options

_SECONDS_MIN = 600.0


class Files(NamedTuple):
    """Of a signer's CA; both are given or none."""

    certificate: str = ""
    key: str = ""


_GENERAL = ("cluster_signing_cert_file", "cluster_signing_key_file")
# The signers, and the part of their own flags' names.
_SIGNERS = {
    requests.KUBELET_SERVING: "kubelet_serving",
    requests.KUBELET_CLIENT: "kubelet_client",
    requests.CLIENT: "kube_apiserver_client",
    requests.LEGACY_UNKNOWN: "legacy_unknown",
}


def signers(options: Options) -> Mapping[str, Files]:
    """The CA's files of each signer that has them. Raises ValueError for flags that do not go
    together."""
    general = Files(*(getattr(options, name) for name in _GENERAL))
    special = {
        signer: Files(
            *(getattr(options, f"cluster_signing_{part}_{kind}_file") for kind in ("cert", "key"))
        )
        for signer, part in _SIGNERS.items()
    }
    for files in (general, *special.values()):
        if bool(files.certificate) != bool(files.key):
            raise ValueError("--cluster-signing-cert-file and --cluster-signing-key-file go "
                             "together, as do those of each signer")  # fmt: skip
    if general.key and any(files.key for files in special.values()):
        raise ValueError(
            "cannot specify --cluster-signing-{cert,key}-file and other "
            "--cluster-signing-*-file flags at the same time"
        )
    chosen = {signer: general if general.key else files for signer, files in special.items()}
    return {signer: files for signer, files in chosen.items() if files.key}


def check(options: Options) -> None:
    """Raises ValueError, and CannotSign for files that do not serve."""
    for files in set(signers(options).values()):
        authority.load(*files)


class SigningController(ObjectController):
    name = "certificatesigningrequest-signing-controller"
    resource = resources.CERTIFICATE_SIGNING_REQUESTS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._signers = signers(context.options)

    @classmethod
    def is_wanted(cls, options: Options) -> bool:
        return bool(signers(options))

    async def reconcile(self, key: Key) -> None:
        request = self.objects.indexer.get(key)
        if request is None or not _is_to_be_signed(request):
            return
        files = self._signers.get(request["spec"].get("signerName", ""))
        if files is None:
            return
        try:
            status = self._signed(request, files)
        except (requests.BadRequest, authority.CannotSign) as error:
            raise Irreconcilable(f"error auto signing csr: {error}") from error
        await self.client.update_status(self.resource, {**request, "status": status})

    def _signed(self, request: Object, files: Files) -> Object:
        """The status with the certificate, or with the condition that there will be none."""
        spec, status = request["spec"], request.get("status") or {}
        parsed = requests.parse(request)
        usages = spec.get("usages") or ()
        if fault := requests.FAULTS[spec["signerName"]](parsed, usages):
            failed = {
                "type": requests.FAILED,
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": fault,
            }
            return {**status, "conditions": [*requests.conditions(request), failed]}
        seconds = lifetime_seconds(
            spec.get("expirationSeconds"), self.context.options.cluster_signing_duration
        )
        # To the second, as certificates have it.
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        lifetime = datetime.timedelta(seconds=seconds)
        issued = authority.load(*files).sign(parsed, usages, lifetime, now)
        return {**status, "certificate": base64.b64encode(issued).decode()}


def _is_to_be_signed(request: Object) -> bool:
    if requests.certificate(request) or requests.has_condition(request, requests.FAILED):
        return False
    return requests.is_approved(request)


def lifetime_seconds(requested: int | None, seconds_max: float) -> float:
    """What is asked for, within bounds; all that may be had if nothing is."""
    if requested is None or requested > seconds_max:
        return seconds_max
    return max(float(requested), _SECONDS_MIN)
