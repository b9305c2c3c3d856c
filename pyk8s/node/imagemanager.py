# SPDX-License-Identifier: Apache-2.0
"""Images on nodes: pulled at once, or never where an annotation says so. Mirrors
`pkg/kubelet/images`, back-off and events included."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyk8s.apimachinery.gvk import Object
from pyk8s.client.events import NORMAL, WARNING
from pyk8s.node import program
from pyk8s.node.known import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_SECONDS_MAX,
    KnownPod,
    Teller,
    Waiting,
)

# After a pull that failed, before ImagePullBackOff is told.
_PULL_ERROR_SECONDS = 1.0

PULL_ERROR = "simulation.pyk8s.io/image-pull-error"

_IMAGE = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


class ImageManager:
    """The images of all nodes. `now` is the clock."""

    def __init__(self, teller: Teller, now: Callable[[], float]) -> None:
        self._teller = teller
        self._now = now
        self._images: dict[str, set[str]] = {}

    def pull(self, pod: Object, known: KnownPod, spec: Object) -> Waiting | None:
        """None once the image is on the node."""
        name, image = spec["name"], spec.get("image") or ""
        if not _IMAGE.fullmatch(image):
            text = (
                f'Failed to apply default image tag "{image}": couldn\'t parse image name '
                f'"{image}": invalid reference format'
            )
            self._teller.once(pod, known, name, ("InspectFailed", text))
            return Waiting("InvalidImageName", text, self._now() + BACKOFF_SECONDS_MAX)
        there = self._images.setdefault(known.node, set())
        policy = spec.get("imagePullPolicy")
        if image in there and policy != "Always":
            text = f'Container image "{image}" already present on machine and can be accessed'
            self._teller.tell(pod, NORMAL, "Pulled", f"{text} by the pod", name)
            return None
        error = program.annotation(pod, spec, PULL_ERROR)
        if error is not None and policy != "Never":
            return self._failed_pull(pod, known, spec, error)
        known.pulls.pop(image, None)
        there.add(image)
        self._teller.tell(pod, NORMAL, "Pulling", f'Pulling image "{image}"', name)
        text = f'Successfully pulled image "{image}" in 0s (0s including waiting)'
        self._teller.tell(pod, NORMAL, "Pulled", text, name)
        return None

    def _failed_pull(self, pod: Object, known: KnownPod, spec: Object, error: str) -> Waiting:
        name, image = spec["name"], spec.get("image") or ""
        delay, until = known.pulls.get(image, (0.0, 0.0))
        told_until = until - delay + _PULL_ERROR_SECONDS
        if until and self._now() < told_until:
            return Waiting("ErrImagePull", error, told_until)
        if until > self._now():
            text = f'Back-off pulling image "{image}"'
            if self._teller.once(pod, known, name, ("BackOff", text), NORMAL):
                self._teller.tell(pod, WARNING, "Failed", "Error: ImagePullBackOff", name)
            return Waiting("ImagePullBackOff", f"{text}: ErrImagePull: {error}", until)
        self._teller.tell(pod, NORMAL, "Pulling", f'Pulling image "{image}"', name)
        self._teller.tell(pod, WARNING, "Failed", f'Failed to pull image "{image}": {error}', name)
        self._teller.once(pod, known, name, ("Failed", "Error: ErrImagePull"))
        delay = min(BACKOFF_SECONDS_MAX, delay * 2 or BACKOFF_FIRST_SECONDS)
        known.pulls[image] = delay, self._now() + delay
        return Waiting("ErrImagePull", error, self._now() + _PULL_ERROR_SECONDS)
