# SPDX-License-Identifier: Apache-2.0
"""Rules of what volumes project into files: keys, Pod fields, tokens, certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import filepaths, meta, references, signernames
from pyk8s.componenthelpers import tokenvolume

Source = Mapping[str, Any]

_MODE_MESSAGE = "must be a number between 0 and 0777 (octal), both inclusive"
_DUPLICATE_PATHS = "conflicting duplicate paths"
_KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_VOLUME_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.labels",
        "metadata.annotations",
        "metadata.uid",
    }
)


def validate_mode(mode: int | None, path: field.Path, name: str) -> list[field.Error]:
    if mode is not None and not 0 <= mode <= 0o777:
        return [field.invalid(path.child(name), mode, _MODE_MESSAGE)]
    return []


def validate_key_to_path(item: Source, path: field.Path) -> list[field.Error]:
    errors = [field.required(path.child(name)) for name in ("key", "path") if not item.get(name)]
    errors += filepaths.local_non_reserved(item.get("path", ""), path.child("path"))
    return errors + validate_mode(item.get("mode"), path, "mode")


def validate_downward_api_file(item: Source, path: field.Path) -> list[field.Error]:
    """One file of a downwardAPI source; faults stand at the source, as upstream reports them."""
    errors = [] if item.get("path") else [field.required(path.child("path"))]
    errors += filepaths.local_non_reserved(item.get("path", ""), path.child("path"))
    if "fieldRef" in item:
        errors += references.validate_field_selector(
            item["fieldRef"], _VOLUME_FIELDS, path.child("fieldRef")
        )
        if "resourceFieldRef" in item:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(field.invalid(path, "resource", detail))
    elif "resourceFieldRef" in item:
        errors += references.validate_resource_selector(
            item["resourceFieldRef"], path.child("resourceFieldRef"), in_volume=True
        )
    else:
        errors.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + validate_mode(item.get("mode"), path, "mode")


def validate_projected(source: Source, path: field.Path) -> list[field.Error]:
    if source == tokenvolume.KNOWN:
        return []
    return _validate_projected(source, path)


def _validate_projected(source: Source, path: field.Path) -> list[field.Error]:
    errors = validate_mode(source.get("defaultMode"), path, "defaultMode")
    projected = _Projected(path)
    for index, projection in enumerate(source.get("sources", ())):
        at = path.child("sources").index(index)
        for kind in projection:
            errors += projected.validate(kind, projection[kind], at.child(kind))
        if len(projection) > 1:
            detail = "may not specify more than 1 volume type per source"
            errors.append(field.forbidden(at, detail))
    return errors


class _Projected:
    """One projected volume while it is read: file paths must differ across its sources."""

    def __init__(self, path: field.Path) -> None:
        self._path = path
        self._taken: set[str] = set()

    def validate(self, kind: str, source: Source, path: field.Path) -> list[field.Error]:
        match kind:
            case "secret" | "configMap":
                return self._validate_items(source, path)
            case "downwardAPI":
                return self._validate_downward_api(source, path)
            case "serviceAccountToken":
                return self._validate_token(source, path)
            case "clusterTrustBundle":
                return self._validate_trust_bundle(source, path)
            case _:
                return self._validate_certificate(source, path)

    def _take(self, file: str, shown: str) -> list[field.Error]:
        if file in self._taken:
            return [field.invalid(self._path, shown, _DUPLICATE_PATHS)]
        self._taken.add(file)
        return []

    def _validate_items(self, source: Source, path: field.Path) -> list[field.Error]:
        name = source.get("name", "")
        errors = [] if name else [field.required(path.child("name"))]
        for index, item in enumerate(source.get("items", ())):
            errors += validate_key_to_path(item, path.child("items").index(index))
            if item.get("path"):
                errors += self._take(item["path"], name)
        return errors

    def _validate_downward_api(self, source: Source, path: field.Path) -> list[field.Error]:
        errors: list[field.Error] = []
        for item in source.get("items", ()):
            errors += validate_downward_api_file(item, path)
            if item.get("path"):
                errors += self._take(item["path"], item["path"])
        return errors

    def _validate_token(self, source: Source, path: field.Path) -> list[field.Error]:
        errors = []
        expiration = source.get("expirationSeconds", 0)
        if expiration < 600:
            detail = "may not specify a duration less than 10 minutes"
            errors.append(field.invalid(path.child("expirationSeconds"), expiration, detail))
        if expiration > 1 << 32:
            detail = "may not specify a duration larger than 2^32 seconds"
            errors.append(field.invalid(path.child("expirationSeconds"), expiration, detail))
        where = self._path.child("path")
        if not source.get("path"):
            errors.append(field.required(where))
        else:
            errors += filepaths.local_non_reserved(source["path"], where)
        return errors

    def _validate_trust_bundle(self, source: Source, path: field.Path) -> list[field.Error]:
        errors = _validate_trust_bundle_source(source, path)
        file = source.get("path", "")
        if not file:
            errors.append(field.required(path.child("path")))
        errors += filepaths.local_non_reserved(file, path.child("path"))
        return errors + self._take(file, file)

    def _validate_certificate(self, source: Source, path: field.Path) -> list[field.Error]:
        errors = _validate_certificate_request(source, path)
        files = ("credentialBundlePath", "keyPath", "certificateChainPath")
        if not any(source.get(name) for name in files):
            detail = "specify at least one of credentialBundlePath, keyPath, certificateChainPath"
            errors.append(field.required(path, detail))
        for name in files:
            file = source.get(name)
            if file:
                errors += filepaths.local_non_reserved(file, path.child(name))
                errors += self._take(file, file)
        return errors


def _validate_trust_bundle_source(source: Source, path: field.Path) -> list[field.Error]:
    name, signer = source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        return [field.invalid(path, source, "only one of name and signerName may be used")]
    if name is not None:
        errors = [] if name else [field.required(path.child("name"), "must be a valid object name")]
        errors += _validate_trust_bundle_name(name, path.child("name"))
        if "labelSelector" in source:
            detail = "labelSelector must be unset if name is specified"
            selector = source["labelSelector"]
            errors.append(field.invalid(path.child("labelSelector"), selector, detail))
        return errors
    if signer is not None:
        errors = (
            []
            if signer
            else [field.required(path.child("signerName"), "must be a valid signer name")]
        )
        errors += signernames.signer_name(signer, path.child("signerName"))
        selector = source.get("labelSelector")
        return errors + meta.validate_label_selector(selector, path.child("labelSelector"))
    return [field.required(path, "either name or signerName must be specified")]


def _validate_trust_bundle_name(name: str, path: field.Path) -> list[field.Error]:
    # A bundle tied to a signer is called `<signer domain>:<signer path>:<name>`.
    last = name.rpartition(":")[2]
    return [
        field.invalid(path, name, f"not a valid clustertrustbundlename: {fault}")
        for fault in names.is_dns1123_subdomain(last)
    ]


def _validate_certificate_request(source: Source, path: field.Path) -> list[field.Error]:
    errors = signernames.signer_name(source.get("signerName", ""), path.child("signerName"))
    key_type = source.get("keyType", "")
    if key_type not in _KEY_TYPES:
        errors.append(field.not_supported(path.child("keyType"), key_type, _KEY_TYPES))
    expiration = source.get("maxExpirationSeconds")
    if expiration is None:
        errors.append(field.required(path.child("maxExpirationSeconds")))
    elif expiration < 3600:
        detail = "if provided, maxExpirationSeconds must be >= 3600"
        errors.append(field.invalid(path.child("maxExpirationSeconds"), expiration, detail))
    elif expiration > 7862400:
        detail = "if provided, maxExpirationSeconds must be <= 7862400"
        errors.append(field.invalid(path.child("maxExpirationSeconds"), expiration, detail))
    annotations = source.get("userAnnotations", {})
    errors += meta.validate_annotations(annotations, path.child("userAnnotations"))
    return errors
