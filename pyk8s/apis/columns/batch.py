# SPDX-License-Identifier: Apache-2.0
"""The batch group: jobs and cron jobs."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    CONTAINERS,
    IMAGES,
    NAME,
    Column,
    Columns,
    ColumnsByResource,
    boolean,
    integer,
)


def _job_status(obj: Object, status: Object) -> str:
    """The first of what may be true at once; deletion comes after what has ended."""
    conditions = status.get("conditions")

    def has(kind: str) -> bool:
        return texts.condition_status(conditions, kind) == "True"

    if has("Complete"):
        return "Complete"
    if has("Failed"):
        return "Failed"
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if has(kind):
            return kind
    return "Running"


def _completions(spec: Object, status: Object) -> str:
    """`2/3`; `0/1 of 4` for a work queue, of which one success is enough."""
    succeeded, completions = status.get("succeeded", 0), spec.get("completions")
    if completions is not None:
        return f"{succeeded}/{completions}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(status: Object, now: float) -> str:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    return ages.since(start, ages.seconds_of(end) if end else now)


def _job_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = texts.containers_and_images(spec.get("template"))
    return [
        obj["metadata"].get("name", ""),
        _job_status(obj, status),
        _completions(spec, status),
        _duration(status, now),
        ages.age(obj, now),
        names,
        images,
        texts.label_selector(spec.get("selector")),
    ]


_SELECTOR = Column("Selector", doc=API + "batch.v1.JobSpec.selector", priority=1)

_JOBS = Columns(
    columns=(
        NAME,
        Column("Status", description="How far the job has come."),
        Column("Completions", doc=API + "batch.v1.JobStatus.succeeded"),
        Column("Duration", description="How long the job took, or has been going."),
        AGE,
        CONTAINERS,
        IMAGES,
        _SELECTOR,
    ),
    cells=_job_cells,
)


def _suspend(value: bool | None) -> str:
    return texts.UNSET if value is None else "True" if value else "False"


def _cron_job_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    names, images = texts.containers_and_images(job.get("template"))
    last, zone = status.get("lastScheduleTime"), spec.get("timeZone")
    return [
        obj["metadata"].get("name", ""),
        spec.get("schedule", ""),
        texts.NONE if zone is None else zone,
        _suspend(spec.get("suspend")),
        len(status.get("active") or ()),
        ages.since(last, now) if last else texts.NONE,
        ages.age(obj, now),
        names,
        images,
        texts.label_selector(job.get("selector")),
    ]


_CRON = API + "batch.v1.CronJob"

_CRON_JOBS = Columns(
    columns=(
        NAME,
        Column("Schedule", doc=_CRON + "Spec.schedule"),
        Column("Timezone", doc=_CRON + "Spec.timeZone"),
        boolean("Suspend", _CRON + "Spec.suspend"),
        integer("Active", _CRON + "Status.active"),
        Column("Last Schedule", doc=_CRON + "Status.lastScheduleTime"),
        AGE,
        CONTAINERS,
        IMAGES,
        _SELECTOR,
    ),
    cells=_cron_job_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource("batch", "cronjobs"): _CRON_JOBS,
    GroupResource("batch", "jobs"): _JOBS,
}
