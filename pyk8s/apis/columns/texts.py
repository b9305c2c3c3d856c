# SPDX-License-Identifier: Apache-2.0
"""Texts that several kinds print: labels, selectors, containers, long lists cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import labels as label_selectors
from pyk8s.apimachinery.gvk import Object

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2` by key, `<none>` for no labels (apimachinery `labels.FormatLabels`)."""
    if not labels:
        return NONE
    return ",".join(sorted(f"{key}={value}" for key, value in labels.items()))


def selector_text(selector: Object | None) -> str | None:
    """A LabelSelector in the selector language, requirements by key.

    "" for the selector of everything and for the absent one, None for one that does not compile
    (meta/v1 `LabelSelectorAsSelector`).
    """
    if not selector:
        return ""
    if not selector.get("matchExpressions"):
        # Nearly all there are; what is stored was validated, so nothing is compiled to print it.
        labels = selector.get("matchLabels") or {}
        return ",".join(f"{key}={labels[key]}" for key in sorted(labels))
    try:
        return str(label_selectors.from_label_selector(selector))
    except ValueError:
        return None


def label_selector(selector: Object | None) -> str:
    """As meta/v1 `FormatLabelSelector`: `<none>` when empty, `<error>` when it does not compile."""
    text = selector_text(selector)
    return "<error>" if text is None else text or NONE


def selector_as_go(selector: Object) -> str:
    """A LabelSelector as Go's generated `String` method prints the struct."""
    labels = selector.get("matchLabels") or {}
    pairs = "".join(f"{key}: {labels[key]}," for key in sorted(labels))
    requirements = "".join(
        f"LabelSelectorRequirement{{Key:{requirement['key']},Operator:{requirement['operator']},"
        f"Values:[{' '.join(requirement.get('values') or [])}],}},"
        for requirement in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{requirements}}},}}"
    )


def containers_and_images(template: Object | None) -> tuple[str, str]:
    """The names and the images of a pod template's containers, each joined by commas."""
    containers = ((template or {}).get("spec") or {}).get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def limited(items: Sequence[str], limit: int, separator: str = ",") -> str:
    """The first few, then ` + 2 more...`."""
    text = separator.join(items[:limit])
    rest = len(items) - limit
    return f"{text} + {rest} more..." if rest > 0 else text


def condition_status(conditions: Sequence[Object] | None, kind: str) -> str | None:
    """The status of the first condition of a type; None when there is none."""
    for condition in conditions or ():
        if condition.get("type") == kind:
            status: str = condition.get("status", "")
            return status
    return None


def quantity(value: Any) -> str:
    """A Quantity, which is stored in canonical form, as Go prints one; absent ones are zero."""
    return "0" if value is None else str(value)


def optional_quantity(value: Any) -> str:
    """The same for a pointer field, of which Go prints `<nil>`."""
    return "<nil>" if value is None else str(value)
