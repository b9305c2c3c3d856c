# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apis.validation import reviews

RESOURCE = {"verb": "get", "resource": "pods"}
URL = {"path": "/healthz", "verb": "get"}
WHERE = "spec.resourceAttributes"


def _messages(faults: list[Any]) -> list[str]:
    return [fault.message for fault in faults]


@pytest.mark.parametrize("spec", [{"resourceAttributes": RESOURCE}, {"nonResourceAttributes": URL}])
def test_one_question_is_enough(spec: dict[str, Any]) -> None:
    assert reviews.validate_subject_access_review({"spec": {"user": "jane", **spec}}) == []
    assert reviews.validate_self_subject_access_review({"spec": spec}) == []


@pytest.mark.parametrize(
    "spec", [{}, {"resourceAttributes": RESOURCE, "nonResourceAttributes": URL}]
)
def test_none_or_two_are_not(spec: dict[str, Any]) -> None:
    (message,) = _messages(reviews.validate_self_subject_access_review({"spec": spec}))

    assert message.endswith(
        ": exactly one of nonResourceAttributes or resourceAttributes must be specified"
    )


def test_somebody_must_ask() -> None:
    faults = reviews.validate_subject_access_review({"spec": {"resourceAttributes": RESOURCE}})

    assert _messages(faults) == [
        'spec.user: Invalid value: "": at least one of user or group must be specified'
    ]


def test_a_review_has_no_name() -> None:
    review = {"metadata": {"name": "a"}, "spec": {"resourceAttributes": RESOURCE}}

    (message,) = _messages(reviews.validate_self_subject_access_review(review))

    assert message.startswith("metadata: Invalid value: ")
    assert message.endswith(": must be empty")


def test_a_local_review_asks_about_its_namespace() -> None:
    spec = {"user": "jane", "resourceAttributes": {**RESOURCE, "namespace": "b"}}
    review = {"metadata": {"namespace": "a"}, "spec": spec}

    assert _messages(reviews.validate_local_subject_access_review(review)) == [
        f'{WHERE}.namespace: Invalid value: "b": must match metadata.namespace'
    ]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (
            {
                "labelSelector": {
                    "rawSelector": "a",
                    "requirements": [{"key": "a", "operator": "Exists"}],
                }
            },
            f'{WHERE}.labelSelector.rawSelector: Invalid value: "a": may not specified at the '
            "same time as requirements",
        ),
        (
            {"labelSelector": {}},
            f"{WHERE}.labelSelector.requirements: Required value: when {WHERE}.labelSelector is "
            "specified, requirements or rawSelector is required",
        ),
        (
            {"fieldSelector": {"requirements": [{"operator": "In", "values": ["a"]}]}},
            f"{WHERE}.fieldSelector.requirements[0].key: Required value: must be specified",
        ),
        (
            {"labelSelector": {"requirements": [{"key": "a", "operator": "In"}]}},
            f"{WHERE}.labelSelector.requirements[0].values: Required value: must be specified "
            "when `operator` is 'In' or 'NotIn'",
        ),
        (
            {
                "labelSelector": {
                    "requirements": [{"key": "a", "operator": "Exists", "values": ["b"]}]
                }
            },
            f"{WHERE}.labelSelector.requirements[0].values: Forbidden: may not be specified when "
            "`operator` is 'Exists' or 'DoesNotExist'",
        ),
    ],
)
def test_selectors_are_complete(selector: dict[str, Any], message: str) -> None:
    review = {"spec": {"resourceAttributes": {**RESOURCE, **selector}}}

    assert _messages(reviews.validate_self_subject_access_review(review)) == [message]


def test_a_token_review_needs_a_token() -> None:
    assert reviews.validate_token_review({"spec": {"token": "a"}}) == ""
    assert (
        reviews.validate_token_review({"spec": {}})
        == "token is required for TokenReview in authentication"
    )


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [
        (600, ""),
        (599, "may not specify a duration less than 10 minutes"),
        ((1 << 32) + 1, "may not specify a duration larger than 2^32 seconds"),
    ],
)
def test_how_long_a_token_lives(seconds: int, detail: str) -> None:
    faults = reviews.validate_token_request({"spec": {"expirationSeconds": seconds}})

    path = "spec.expirationSeconds"
    expected = [f"{path}: Invalid value: {seconds}: {detail}"] if detail else []
    assert _messages(faults) == expected
