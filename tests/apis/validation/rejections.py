# SPDX-License-Identifier: Apache-2.0
"""What the tables of rejected objects share: how a row changes an object, and what is compared.

A row names changes to a sound object by paths of words, `"spec containers 0 image"`, and the
sentences of the Status that must come back, `spec.containers[0].image: Required value`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import errors, field
from pyk8s.apimachinery.gvk import GroupKind, Object

GONE = object()

_REASONS = {
    "Not found": "FieldValueNotFound",
    "Required value": "FieldValueRequired",
    "Duplicate value": "FieldValueDuplicate",
    "Invalid value": "FieldValueInvalid",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too long": "FieldValueTooLong",
    "Too many": "FieldValueTooMany",
}

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
PORT = "must be between 1 and 65535, inclusive"
IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def changed(base: Object, changes: Mapping[str, Any]) -> Object:
    """A copy of `base` with values set, lists extended, or fields taken away (GONE)."""
    obj = copy.deepcopy(base)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split()]
        target: Any = obj
        for step in steps:
            target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if value is GONE:
            del target[last]
        elif isinstance(last, int) and last == len(target):
            target.append(copy.deepcopy(value))
        else:
            target[last] = copy.deepcopy(value)
    return obj


def check(faults: list[field.Error], expected: str | list[str], kind: str = "Pod") -> None:
    """Compare the Status that `faults` make with the sentences expected, in order."""
    sentences = [expected] if isinstance(expected, str) else expected
    status = errors.invalid(GroupKind("", kind), "x", faults).status
    causes = []
    for sentence in sentences:
        where, _, body = sentence.partition(": ")
        reason = next(r for words, r in _REASONS.items() if body.startswith(words))
        causes.append({"reason": reason, "message": body, "field": where})
    assert status["details"].get("causes", []) == causes
    assert (status["code"], status["reason"]) == (422, "Invalid")
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(dict.fromkeys(sentences))}]"
    assert status["message"] == f'{kind} "x" is invalid: {text}'


def check_create(
    validate: Callable[[Object], list[field.Error]],
    default: Callable[[Object], None],
    obj: Object,
    expected: str | list[str],
) -> None:
    default(obj)
    check(validate(obj), expected, obj["kind"])
