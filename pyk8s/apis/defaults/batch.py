# SPDX-License-Identifier: Apache-2.0
"""Defaults of Jobs and CronJobs.

A CronJob's template gets only what every pod template gets: the Jobs made from it are defaulted
when they are created. Mirrors upstream's `pkg/apis/batch/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis.defaults import pods

INT32_MAX = 2**31 - 1

CONTROLLER_UID_LABEL = "batch.kubernetes.io/controller-uid"
LEGACY_CONTROLLER_UID_LABEL = "controller-uid"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
LEGACY_JOB_NAME_LABEL = "job-name"


def default_job(job: Object) -> None:
    spec = job.setdefault("spec", {})
    pods.default_pod_template(spec.setdefault("template", {}))
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    # Retries are counted per index there, so the Job as a whole never runs out of them.
    spec.setdefault("backoffLimit", INT32_MAX if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    _default_failure_policy(spec)
    spec.setdefault("manualSelector", False)
    template_labels = spec["template"]["metadata"].get("labels") or {}
    if spec["manualSelector"] or CONTROLLER_UID_LABEL in template_labels:
        default_labels(job)


def default_labels(job: Object) -> None:
    """A Job without labels takes its template's.

    Upstream does it while decoding and lets both share one map, so that the labels the server
    generates on create appear in both. Here it happens once those have been generated.
    """
    metadata = job.setdefault("metadata", {})
    template_labels = job["spec"]["template"]["metadata"].get("labels")
    if template_labels and not metadata.get("labels"):
        metadata["labels"] = dict(template_labels)


def default_cron_job(cron_job: Object) -> None:
    spec = cron_job.setdefault("spec", {})
    job_template = spec.setdefault("jobTemplate", {})
    job_template.setdefault("metadata", {})
    pods.default_pod_template(job_template.setdefault("spec", {}).setdefault("template", {}))
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)


def _default_failure_policy(spec: dict[str, Any]) -> None:
    policy = spec.get("podFailurePolicy")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    replacement = "TerminatingOrFailed" if policy is None else "Failed"
    spec.setdefault("podReplacementPolicy", replacement)


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("batch", "v1", "Job"): default_job,
    GroupVersionKind("batch", "v1", "CronJob"): default_cron_job,
}
