# SPDX-License-Identifier: Apache-2.0
"""The official Python client in few words: resources as its DynamicClient finds them, objects as
plain dicts, and requests by path for what it has no method for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import urllib3
from kubernetes import dynamic, watch
from kubernetes.client import ApiClient, ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

# How long a watch stays open for what must come. Nothing takes this long unless it is broken.
_WATCH_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Object:
        parsed: Object = json.loads(self.body)
        return parsed


class Client:
    """The official client of one cluster. `close` ends its connections."""

    def __init__(self, kubeconfig: Path, cache: Path) -> None:
        self.api: ApiClient = kubernetes.config.new_client_from_config(str(kubeconfig))
        self._dynamic = dynamic.DynamicClient(self.api, cache_file=str(cache))

    def close(self) -> None:
        # The client leaves its connections to the garbage collector.
        self.api.rest_client.pool_manager.clear()
        self.api.close()

    def resource(self, api_version: str, plural: str, namespace: str | None = None) -> Resource:
        """A resource; of one namespace, or of the cluster or all namespaces without one."""
        found = self._dynamic.resources.get(api_version=api_version, name=plural)
        return Resource(found, namespace)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        client: ApiClient | None = None,
    ) -> Answer:
        """One request by path, with whatever answer: a failure is one too."""
        used = client or self.api
        wanted = {"Accept": "application/json", "Content-Type": "application/json"}
        call = used.param_serialize(
            method,
            path,
            header_params={**wanted, **(headers or {})},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = used.call_api(*call)
        answer.read()
        return Answer(answer.status, answer.headers, answer.data)

    def get(self, path: str, accept: str = "application/json") -> Object:
        answer = self.request("GET", path, headers={"Accept": accept})
        assert answer.status == 200, answer
        return answer.json()

    def as_bearer(self, token: str) -> ApiClient:
        """A client of the same server that shows a token and no certificate."""
        own = self.api.configuration
        config = kubernetes.client.Configuration()
        config.host, config.ssl_ca_cert = own.host, own.ssl_ca_cert
        config.api_key = {"authorization": f"Bearer {token}"}
        return ApiClient(config)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or one subresource of it, by the verbs."""

    found: Any
    namespace: str | None

    def everywhere(self) -> Resource:
        return replace(self, namespace=None)

    def subresource(self, name: str) -> Resource:
        return Resource(getattr(self.found, name), self.namespace)

    @property
    def status(self) -> Resource:
        return self.subresource("status")

    def create(self, obj: Object, **options: Any) -> Object:
        named = {"apiVersion": self.found.group_version, "kind": self.found.kind}
        return self._call(self.found.create, body={**named, **obj}, **options)

    def get(self, name: str) -> Object:
        return self._call(self.found.get, name=name)

    def list(self, labels: str | None = None, **options: Any) -> Object:
        return self._call(self.found.get, label_selector=labels, **options)

    def names(self, labels: str | None = None, **options: Any) -> list[str]:
        return [item["metadata"]["name"] for item in self.list(labels, **options)["items"]]

    def update(self, obj: Object, **options: Any) -> Object:
        return self._call(self.found.replace, body=obj, name=obj["metadata"]["name"], **options)

    def patch(self, name: str, patch: object, kind: str = MERGE, **options: Any) -> Object:
        return self._call(self.found.patch, name=name, body=patch, content_type=kind, **options)

    def apply(self, obj: Object, manager: str) -> Object:
        return self.patch(obj["metadata"]["name"], obj, APPLY, field_manager=manager)

    def delete(self, name: str, **options: Any) -> Object:
        return self._call(self.found.delete, name=name, **options)

    def delete_collection(self, labels: str, **options: Any) -> Object:
        return self._call(self.found.delete, label_selector=labels, **options)

    def watch(self, resource_version: str | None = None, labels: str | None = None) -> Events:
        """Open at once, so that what happens from here on is seen."""
        response = self.found.get(
            namespace=self.namespace,
            label_selector=labels,
            watch=True,
            serialize=False,
            resource_version=resource_version,
            timeout_seconds=_WATCH_SECONDS_MAX,
        )
        return Events(response)

    def _call(self, verb: Any, **arguments: Any) -> Object:
        response = verb(namespace=self.namespace, serialize=False, **arguments)
        try:
            parsed: Object = json.loads(response.data)
        finally:
            response.release_conn()
        return parsed


class Events:
    """The events of one open watch, closed with the block."""

    def __init__(self, response: urllib3.HTTPResponse) -> None:
        self._response = response
        self._lines = watch.watch.iter_resp_lines(response)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._response.close()
        self._response.release_conn()

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        for line in self._lines:
            if line:
                event = json.loads(line)
                yield event["type"], event["object"]

    def next(self) -> tuple[str, Object]:
        for event in self:
            return event
        raise AssertionError(f"no event in {_WATCH_SECONDS_MAX} s")

    def expect(self, kind: str, obj: Object) -> Object:
        """The next event is of this type, on this object; a version of it, unless deleted."""
        found, seen = self.next()
        assert (found, seen["metadata"]["uid"]) == (kind, obj["metadata"]["uid"])
        if kind != "DELETED":
            assert seen == obj
        return seen


def refused(status: int, reason: str = "") -> Any:
    """The block is answered with this status, and a Status of this reason."""
    return _Refusal(status, reason)


class _Refusal:
    def __init__(self, status: int, reason: str) -> None:
        self._status, self._reason = status, reason
        self._raises = pytest.raises((ApiException, DynamicApiError))
        self.message = ""
        self.body: Object = {}

    def __enter__(self) -> _Refusal:
        self._info = self._raises.__enter__()
        return self

    def __exit__(self, *raised: Any) -> bool:
        caught = bool(self._raises.__exit__(*raised))
        error = self._info.value
        assert error.status == self._status, error
        self.body = json.loads(error.body)
        self.message = self.body["message"]
        if self._reason:
            assert self.body["reason"] == self._reason, self.body
        return caught
