# SPDX-License-Identifier: Apache-2.0
"""Rules of CronJobs: the schedule, its time zone, and the template of the Jobs.

Mirrors upstream's `pkg/apis/batch/validation/validation.go`.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import cron, field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import batch, checks, meta

_SPEC = field.Path("spec")
# The Jobs are named `<name>-<minutes since 1970>`: eleven characters more, of 63 in all.
_NAME_CHARACTERS_MAX = 52

Spec = Mapping[str, Any]


def validate_cron_job(cron_job: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        cron_job, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    found += _spec(cron_job["spec"], None)
    name = cron_job["metadata"].get("name", "")
    if len(name) > _NAME_CHARACTERS_MAX:
        where = field.Path("metadata", "name")
        detail = f"must be no more than {_NAME_CHARACTERS_MAX} characters"
        found.append(field.invalid(where, name, detail))
    return found


def validate_cron_job_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    return found + _spec(updated["spec"], existing["spec"])


def _spec(spec: Spec, before: Spec | None) -> list[field.Error]:
    found = _schedule(spec, before, _SPEC.child("schedule"))
    keys = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    found += checks.all_non_negative(spec, keys, _SPEC)
    if before is None or before.get("timeZone") != spec.get("timeZone"):
        found += _time_zone(spec.get("timeZone"), _SPEC.child("timeZone"))
    policies = ("Allow", "Forbid", "Replace")
    policy = spec.get("concurrencyPolicy")
    found += checks.required_one_of(policy, _SPEC.child("concurrencyPolicy"), policies)
    return found + _job_template(spec["jobTemplate"]["spec"], _SPEC.child("jobTemplate", "spec"))


def _schedule(spec: Spec, before: Spec | None, path: field.Path) -> list[field.Error]:
    schedule = spec.get("schedule", "")
    if not schedule:
        return [field.required(path)]
    found = []
    try:
        parsed = cron.parse(schedule)
    except cron.ParseError as error:
        found.append(field.invalid(path, schedule, str(error)))
    else:
        found += _schedule_zone(parsed.time_zone, schedule, path)
    if "TZ" not in schedule:
        return found
    # A zone inside the schedule was never documented, and is kept only where it stood.
    if "TZ" not in (before or {}).get("schedule", ""):
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(field.invalid(path, schedule, detail))
    elif "timeZone" in spec:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        found.append(field.invalid(path, schedule, detail))
    return found


def _schedule_zone(zone: str, schedule: str, path: field.Path) -> list[field.Error]:
    if not zone or _is_known(zone):
        return []
    detail = f"provided bad location {zone}: unknown time zone {zone}"
    return [field.invalid(path, schedule, detail)]


_zone_part = re.compile(r"[A-Za-z._0-9+-]{1,14}").fullmatch


def _time_zone(zone: str | None, path: field.Path) -> list[field.Error]:
    if zone is None:
        return []
    if not zone:
        return [field.invalid(path, zone, "timeZone must be nil or non-empty string")]
    unknown = field.invalid(path, zone, f"unknown time zone {zone}")
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _zone_part(part):
            return [unknown]
    if zone.lower() == "local":
        detail = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        found = [field.invalid(path, zone, detail)]
        return found if zone == "Local" else [*found, unknown]
    return [] if _is_known(zone) else [unknown]


def _is_known(zone: str) -> bool:
    if zone in ("UTC", "Local"):
        return True
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _job_template(spec: Spec, path: field.Path) -> list[field.Error]:
    found = batch.validate_job_template_spec(spec, path)
    selector = spec.get("selector")
    if selector is not None:
        detail = "`selector` will be auto-generated"
        found.append(field.invalid(path.child("selector"), selector, detail))
    if spec.get("manualSelector"):
        where = path.child("manualSelector")
        found.append(field.not_supported(where, True, ("nil", "false")))
    return found
