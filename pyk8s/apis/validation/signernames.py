# SPDX-License-Identifier: Apache-2.0
"""The names of signers, which signing requests, trust bundles and certificate volumes carry."""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apis.validation import checks

# A domain, a slash, and what still leaves room for a name in `domain:path:name`.
_BYTES_MAX = 2 * names.DNS1123_SUBDOMAIN_BYTES_MAX + names.DNS1123_LABEL_BYTES_MAX + 2


def signer_name(name: str, path: field.Path) -> list[field.Error]:
    """`domain/path` with a domain of two labels at least (upstream's ValidateSignerName)."""
    if not name:
        return [field.required(path)]
    parts = name.split("/")
    if len(parts) != 2:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field.invalid(path, name, detail)]
    domain, rest = parts
    found = []
    if len(domain) > names.DNS1123_SUBDOMAIN_BYTES_MAX:
        found.append(field.too_long(path, names.DNS1123_SUBDOMAIN_BYTES_MAX))
    found += _first_wrong_label(domain, names.is_dns1123_label, path)
    if "." not in domain:
        detail = "should be a domain with at least two segments separated by dots"
        found.append(field.invalid(path, domain, detail))
    found += _first_wrong_label(rest, names.is_dns1123_subdomain, path)
    if len(name) > _BYTES_MAX:
        found.append(field.too_long(path, _BYTES_MAX))
    return found


def _first_wrong_label(text: str, rule: checks.TextRule, path: field.Path) -> list[field.Error]:
    for label in text.split("."):
        shown = quoted_string(label)
        faults = [f"validating label {shown}: {fault}" for fault in rule(label)]
        if faults:
            return checks.all_invalid(path, text, faults)
    return []
