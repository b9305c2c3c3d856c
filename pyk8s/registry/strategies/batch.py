# SPDX-License-Identifier: Apache-2.0
"""The Strategies of batch: Job and CronJob.

Switches and preparation are those of `pkg/registry/batch/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis import pod_warnings
from pyk8s.apis.defaults import batch as defaults
from pyk8s.apis.validation import batch, cronjobs, job_status
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.apps import WorkloadStrategy, name_warnings
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy

_MANY_COMPLETIONS = 100_000
_MANY_AT_ONCE = 10_000
_JOB_TEMPLATE = field.Path("spec", "jobTemplate", "spec", "template")


class JobStrategy(WorkloadStrategy):
    orphans_dependents = True
    orphans_warning = (
        "child pods are preserved by default when jobs are deleted; set "
        "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
        "this warning"
    )
    rules = Rules(
        default=defaults.default_job,
        validate=batch.validate_job,
        validate_update=batch.validate_job_update,
        validate_status_update=job_status.validate_job_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        if not obj["spec"].get("manualSelector"):
            generate_selector(obj)
        defaults.default_labels(obj)

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return super().warnings_on_create(context, obj) + _index_warnings(obj)


def generate_selector(job: Object) -> None:
    """Give the Job's Pods labels that no other Job's have, and select them.

    Labels the user set are left alone: when they conflict, validation says so.
    """
    spec, metadata = job["spec"], job["metadata"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    name, uid = metadata.get("name", ""), metadata.get("uid", "")
    for key, value in (
        (defaults.LEGACY_JOB_NAME_LABEL, name),
        (defaults.JOB_NAME_LABEL, name),
        (defaults.LEGACY_CONTROLLER_UID_LABEL, uid),
        (defaults.CONTROLLER_UID_LABEL, uid),
    ):
        labels.setdefault(key, value)
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(defaults.CONTROLLER_UID_LABEL, uid)


def _index_warnings(job: Object) -> list[str]:
    spec = job["spec"]
    if spec.get("completionMode") != "Indexed":
        return []
    many = spec.get("completions", 0) > _MANY_COMPLETIONS
    if not many or spec.get("parallelism", 0) <= _MANY_AT_ONCE:
        return []
    return [
        "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher "
        "than 10^4, Kubernetes might not be able to track completedIndexes when a big number of "
        "indexes fail"
    ]


class CronJobStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_cron_job,
        validate=cronjobs.validate_cron_job,
        validate_update=cronjobs.validate_cron_job_update,
    )

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return name_warnings(obj) + self._template_warnings(obj)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        if updated["metadata"].get("generation") == existing["metadata"].get("generation"):
            return []
        found = self._template_warnings(updated)
        schedule = updated["spec"].get("schedule", "")
        if "TZ" in schedule:
            found.append(
                f"CRON_TZ or TZ used in spec.schedule {schedule} is not officially supported, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more "
                "details"
            )
        return found

    def _template_warnings(self, obj: Object) -> list[str]:
        template = obj["spec"]["jobTemplate"]["spec"]["template"]
        return pod_warnings.warnings_for_template(template, _JOB_TEMPLATE)


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource("batch", "jobs"): JobStrategy,
    GroupResource("batch", "cronjobs"): CronJobStrategy,
}
