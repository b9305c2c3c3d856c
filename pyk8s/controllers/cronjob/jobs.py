# SPDX-License-Identifier: Apache-2.0
"""The Jobs of a CronJob: what one looks like, which are active, which are too old. No I/O."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.cronjob import schedule
from pyk8s.controllers.job import conditions

SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def name_for(cronjob: Object, scheduled: datetime) -> str:
    """The CronJob's name and the minute, counted since the epoch."""
    return f"{meta.name(cronjob)}-{int(scheduled.timestamp()) // 60}"


def job_for(cronjob: Object, scheduled: datetime) -> Object:
    """The Job that is to be made. Raises schedule.UnknownZone."""
    template = cronjob["spec"]["jobTemplate"]
    zone = schedule.zone_named(cronjob["spec"].get("timeZone") or "")
    moment = scheduled.astimezone(zone).isoformat(timespec="seconds")
    annotations = {**meta.annotations(template)}
    annotations[SCHEDULED_TIMESTAMP] = moment.replace("+00:00", "Z")
    metadata = {
        "name": name_for(cronjob, scheduled),
        "namespace": meta.namespace(cronjob),
        "labels": {**meta.labels(template)},
        "annotations": annotations,
        "ownerReferences": [meta.controller_reference(cronjob)],
    }
    spec = copy.deepcopy(template["spec"])
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def reference(job: Object) -> dict[str, Any]:
    """How status.active names a Job."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta.name(job),
        "namespace": meta.namespace(job),
        "uid": meta.uid(job),
        "resourceVersion": meta.resource_version(job),
    }


def active_of(cronjob: Object) -> Sequence[dict[str, Any]]:
    return (cronjob.get("status") or {}).get("active") or ()


def is_active(cronjob: Object, uid: str) -> bool:
    return any(each.get("uid") == uid for each in active_of(cronjob))


def deactivate(cronjob: Object, uid: str) -> None:
    """Take the Job off status.active. Changes the CronJob."""
    left = [each for each in active_of(cronjob) if each.get("uid") != uid]
    if left:
        cronjob["status"]["active"] = left
    else:
        cronjob["status"].pop("active", None)


def note_success(cronjob: Object, job: Object) -> None:
    """Move status.lastSuccessfulTime on, if this Job was complete later. Changes the CronJob."""
    ended = (job.get("status") or {}).get("completionTime")
    if conditions.finished_as(job) != conditions.COMPLETE or not ended:
        return
    known = cronjob["status"].get("lastSuccessfulTime")
    if known is None or times.parse(ended) > times.parse(known):
        cronjob["status"]["lastSuccessfulTime"] = ended


def too_old(cronjob: Object, jobs: Iterable[Object]) -> list[Object]:
    """Those that the limits of history do not spare: who started first, goes first."""
    spec, gone = cronjob["spec"], []
    for end, limit in (
        (conditions.COMPLETE, spec.get("successfulJobsHistoryLimit")),
        (conditions.FAILED, spec.get("failedJobsHistoryLimit")),
    ):
        if limit is not None:
            ended = sorted((j for j in jobs if conditions.finished_as(j) == end), key=_age)
            gone += ended[: max(0, len(ended) - limit)]
    return gone


def _age(job: Object) -> tuple[bool, str, str]:
    """What never started counts as youngest."""
    started = (job.get("status") or {}).get("startTime") or ""
    return not started, started, meta.name(job)
