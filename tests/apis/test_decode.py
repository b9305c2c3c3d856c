# SPDX-License-Identifier: Apache-2.0
"""Decoding a body into a kind: upstream's sentences, pruning, and what Go would print."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import decode

POD = GroupVersionKind("", "v1", "Pod")
SECRET = GroupVersionKind("", "v1", "Secret")
SERVICE = GroupVersionKind("", "v1", "Service")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")

QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", **container}]}}


def meta(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata}


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def field_fault(found: str, place: str, wanted: str) -> str:
    return f"json: cannot unmarshal {found} into Go struct field {place} of type {wanted}"


FAULTS = [
    pytest.param(
        DEPLOYMENT,
        spec(replicas="3"),
        field_fault("string", "DeploymentSpec.spec.replicas", "int32"),
        id="string for int32",
    ),
    pytest.param(
        DEPLOYMENT,
        spec(replicas=1.5),
        field_fault("number 1.5", "DeploymentSpec.spec.replicas", "int32"),
        id="fraction for int32",
    ),
    pytest.param(
        DEPLOYMENT,
        spec(replicas=1.0),
        field_fault("number 1.0", "DeploymentSpec.spec.replicas", "int32"),
        id="whole float for int32",
    ),
    pytest.param(
        DEPLOYMENT,
        spec(replicas=1 << 31),
        field_fault("number 2147483648", "DeploymentSpec.spec.replicas", "int32"),
        id="int32 out of range",
    ),
    pytest.param(
        POD,
        spec(terminationGracePeriodSeconds=1 << 63),
        field_fault(
            "number 9223372036854775808", "PodSpec.spec.terminationGracePeriodSeconds", "int64"
        ),
        id="int64 out of range",
    ),
    pytest.param(
        DEPLOYMENT,
        spec(paused="yes"),
        field_fault("string", "DeploymentSpec.spec.paused", "bool"),
        id="string for bool",
    ),
    pytest.param(
        DEPLOYMENT,
        spec(replicas=True),
        field_fault("bool", "DeploymentSpec.spec.replicas", "int32"),
        id="bool for int32",
    ),
    pytest.param(
        POD,
        pod(env=[{"name": "A", "value": 1}]),
        field_fault("number", "EnvVar.spec.containers.env.value", "string"),
        id="number for string, inside lists",
    ),
    pytest.param(
        POD,
        pod(args=["a", 1]),
        field_fault("number", "Container.spec.containers.args", "string"),
        id="number in a list of strings",
    ),
    pytest.param(
        POD,
        pod(args="a"),
        field_fault("string", "Container.spec.containers.args", "[]string"),
        id="string for list",
    ),
    pytest.param(
        POD,
        spec(containers={}),
        field_fault("object", "PodSpec.spec.containers", "[]v1.Container"),
        id="object for list",
    ),
    pytest.param(
        DEPLOYMENT,
        {"spec": []},
        field_fault("array", "Deployment.spec", "v1.DeploymentSpec"),
        id="array for struct",
    ),
    pytest.param(
        DEPLOYMENT,
        meta(labels=["a"]),
        field_fault("array", "ObjectMeta.metadata.labels", "map[string]string"),
        id="array for map",
    ),
    pytest.param(
        DEPLOYMENT,
        meta(labels={"a": True}),
        field_fault("bool", "ObjectMeta.metadata.labels", "string"),
        id="bool in a map of strings",
    ),
    pytest.param(
        POD,
        pod(ports=[{"protocol": 1}]),
        field_fault("number", "ContainerPort.spec.containers.ports.protocol", "v1.Protocol"),
        id="named string type",
    ),
    pytest.param(
        POD,
        pod(resources={"limits": "1"}),
        field_fault(
            "string", "ResourceRequirements.spec.containers.resources.limits", "v1.ResourceList"
        ),
        id="named map type",
    ),
    pytest.param(
        SERVICE,
        spec(ports=[{"targetPort": {}}]),
        field_fault("object", "ServicePort.spec.ports.targetPort", "int32"),
        id="object for IntOrString",
    ),
    pytest.param(
        SERVICE,
        spec(ports=[{"targetPort": 1.5}]),
        field_fault("number 1.5", "ServicePort.spec.ports.targetPort", "int32"),
        id="fraction for IntOrString",
    ),
    pytest.param(
        POD,
        meta(creationTimestamp=3),
        field_fault("number", "ObjectMeta.metadata.creationTimestamp", "string"),
        id="number for Time",
    ),
    pytest.param(
        POD,
        meta(creationTimestamp="x"),
        'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        id="no Time",
    ),
    pytest.param(
        LEASE,
        spec(renewTime="2026-01-02T03:04:05Z"),
        'parsing time "2026-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": '
        'cannot parse "Z" as ".000000"',
        id="no MicroTime",
    ),
    pytest.param(POD, pod(resources={"limits": {"cpu": "much"}}), QUANTITY, id="no quantity"),
    pytest.param(POD, pod(resources={"limits": {"cpu": {}}}), QUANTITY, id="object for quantity"),
    pytest.param(SECRET, {"data": {"a": "%"}}, "illegal base64 data at input byte 0", id="base64"),
    pytest.param(
        SECRET,
        {"data": {"a": "YWJj", "b": 1}},
        field_fault("number", "Secret.data", "[]uint8"),
        id="number for bytes",
    ),
    pytest.param(
        CRD,
        spec(versions=[{"schema": {"openAPIV3Schema": {"additionalProperties": "x"}}}]),
        "boolean or JSON schema expected",
        id="JSON schema or bool",
    ),
    pytest.param(
        CRD,
        spec(versions=[{"schema": {"openAPIV3Schema": {"items": {"type": 1}}}}]),
        field_fault(
            "number", "JSONSchemaProps.spec.versions.schema.openAPIV3Schema.items", "string"
        ),
        id="inside a type with its own reader",
    ),
]


@pytest.mark.parametrize(("gvk", "body", "message"), FAULTS)
def test_type_faults(gvk: GroupVersionKind, body: dict[str, Any], message: str) -> None:
    """A value its Go type cannot hold is a 400 in the words of upstream's decoder."""
    with pytest.raises(errors.StatusError) as caught:
        decode.to_internal(body, gvk)
    assert caught.value.code == 400
    assert caught.value.reason == "BadRequest"
    assert caught.value.message == (
        f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {gvk.kind}: {message}'
    )


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("YQ", 0, id="group of two, unpadded"),
        pytest.param("YWJjYQ", 4, id="second group unpadded"),
        pytest.param("YQ=", 3, id="half the padding"),
        pytest.param("YQ=a", 2, id="letter in the padding"),
        pytest.param("Y===", 1, id="too much padding"),
        pytest.param("YQ==YQ==", 4, id="text after the padding"),
        pytest.param("YW J", 2, id="blank"),
        pytest.param("YWJj!", 4, id="sign"),
        pytest.param("=", 0, id="padding alone"),
        pytest.param("é", 0, id="not ASCII"),
    ],
)
def test_base64_faults(text: str, position: int) -> None:
    """Broken base64 is refused with the position Go names."""
    with pytest.raises(errors.StatusError) as caught:
        decode.to_internal({"data": {"a": text}}, SECRET)
    assert caught.value.message.endswith(f": illegal base64 data at input byte {position}")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("YWJj", "YWJj", id="canonical"),
        pytest.param("YQ==", "YQ==", id="padded"),
        pytest.param("YW\r\nJj\n", "YWJj", id="line breaks"),
        pytest.param("YR==", "YQ==", id="stray bits"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="null"),
    ],
)
def test_base64_is_written_canonically(given: str | None, kept: str) -> None:
    """Bytes come back as Go encodes them."""
    secret, _ = decode.to_internal({"data": {"a": given}}, SECRET)
    assert secret["data"] == {"a": kept}


WITH_UNKNOWN = {
    "apiVersion": "apps/v1",
    "Spec": None,
    "spec": {
        "foo": {"deep": 1},
        "template": {"spec": {"containers": [{"name": "a"}, {"name": "b", "Image": "x"}]}},
        "bar": None,
    },
}
UNKNOWN = [
    'unknown field "Spec"',
    'unknown field "spec.foo"',
    'unknown field "spec.template.spec.containers[1].Image"',
    'unknown field "spec.bar"',
]


def test_strict_refuses_unknown_fields() -> None:
    """Under Strict all unknown fields are named, in document order, in one 400."""
    with pytest.raises(errors.StatusError) as caught:
        decode.to_internal(copy.deepcopy(WITH_UNKNOWN), DEPLOYMENT, decode.STRICT)
    assert caught.value.code == 400
    assert caught.value.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        + ", ".join(UNKNOWN)
    )


@pytest.mark.parametrize("directive", ["", decode.WARN])
def test_warn_names_unknown_fields(directive: str) -> None:
    """Under Warn, the default, each unknown field is one warning, and is cut out."""
    deployment, warnings = decode.to_internal(copy.deepcopy(WITH_UNKNOWN), DEPLOYMENT, directive)
    assert warnings == UNKNOWN
    assert set(deployment["spec"]) == {"template", "strategy"}
    assert deployment["spec"]["template"]["spec"]["containers"][1] == {"name": "b", "resources": {}}


def test_ignore_cuts_unknown_fields_silently() -> None:
    """Under Ignore nothing is said."""
    deployment, warnings = decode.to_internal(
        copy.deepcopy(WITH_UNKNOWN), DEPLOYMENT, decode.IGNORE, ['duplicate field "spec"']
    )
    assert warnings == []
    assert "Spec" not in deployment


def test_duplicate_fields_are_strict_errors_too() -> None:
    """What the parser found twice joins what the schema does not know."""
    duplicates = ['duplicate field "spec.replicas"']
    _, warnings = decode.to_internal({"x": 1}, DEPLOYMENT, decode.WARN, duplicates)
    assert warnings == ['duplicate field "spec.replicas"', 'unknown field "x"']
    with pytest.raises(errors.StatusError, match='strict decoding error: duplicate field "spec'):
        decode.to_internal({}, DEPLOYMENT, decode.STRICT, duplicates)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param(
            b'{"x":1,"spec":{"replicas":2,"replicas":3}}',
            ['unknown field "x"', 'duplicate field "spec.replicas"'],
            id="unknown first",
        ),
        pytest.param(
            b'{"spec":{"replicas":2,"x":1,"replicas":3,"y":1}}',
            [
                'unknown field "spec.x"',
                'duplicate field "spec.replicas"',
                'unknown field "spec.y"',
            ],
            id="a duplicate where it comes again",
        ),
        pytest.param(
            b'{"x":{"a":1,"a":2},"xa":1,"kind":"Deployment","kind":"Deployment","x":[{"b":1,"b":2}]}',
            ['unknown field "x"', 'unknown field "xa"', 'duplicate field "kind"'],
            id="nothing inside what is unknown",
        ),
    ],
)
def test_faults_in_the_order_of_the_document(text: bytes, faults: list[str]) -> None:
    """Unknown and repeated fields of a JSON body are told where Go's decoder meets them."""
    document, repeated = codec.decode_json_strict(text)
    duplicates = decode.Duplicates(repeated, codec.field_paths(text))
    _, warnings = decode.to_internal(document, DEPLOYMENT, decode.WARN, duplicates)
    assert warnings == faults


def test_no_more_than_a_hundred_strict_errors() -> None:
    """A body full of unknown fields does not answer with a page of them."""
    _, warnings = decode.to_internal({f"x{i}": i for i in range(150)}, DEPLOYMENT)
    assert len(warnings) == 100


def test_unknown_fields_below_a_schema_union_go_unreported() -> None:
    """`items` of a JSON schema has its own reader upstream, which is not strict."""
    schema = {"type": "object", "bogus": 1, "items": {"type": "string", "bogus": 2}}
    body = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    crd, warnings = decode.to_internal(body, CRD)
    assert warnings == ['unknown field "spec.versions[0].schema.openAPIV3Schema.bogus"']
    kept = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert kept == {"type": "object", "items": {"type": "string"}}


ROUND_TRIPS = [
    pytest.param(
        GroupVersionKind("", "v1", "ConfigMap"),
        {"metadata": {"creationTimestamp": None, "labels": {}, "generation": 0}, "data": {}},
        {"metadata": {}},
        id="empty maps, null timestamp and zero int vanish",
    ),
    pytest.param(
        GroupVersionKind("", "v1", "ConfigMap"),
        {"data": {"a": None, "b": ""}, "immutable": False},
        {"metadata": {}, "data": {"a": "", "b": ""}, "immutable": False},
        id="null in a map is its zero; a pointer's false stays",
    ),
    pytest.param(
        DEPLOYMENT,
        {"spec": {"replicas": 0, "paused": False, "minReadySeconds": 0, "selector": None}},
        {
            "metadata": {},
            "spec": {
                "replicas": 0,
                "template": {"metadata": {}, "spec": {"containers": []}},
                "strategy": {},
            },
            "status": {},
        },
        id="structs by value are written, required lists too",
    ),
    pytest.param(
        POD,
        {"spec": {"containers": [None], "securityContext": {}, "volumes": [], "nodeSelector": {}}},
        {
            "metadata": {},
            "spec": {"containers": [{"name": "", "resources": {}}], "securityContext": {}},
            "status": {},
        },
        id="null in a list of structs, pointers to empty structs",
    ),
    pytest.param(
        POD,
        {
            "spec": {"containers": []},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
        {
            "metadata": {},
            "spec": {"containers": []},
            "status": {
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "lastProbeTime": None,
                        "lastTransitionTime": None,
                    }
                ]
            },
        },
        id="times by value are written as null",
    ),
    pytest.param(
        GroupVersionKind("apps", "v1", "DaemonSet"),
        {"spec": {"template": None}, "status": {}},
        {
            "metadata": {},
            "spec": {
                "template": {"metadata": {}, "spec": {"containers": []}},
                "updateStrategy": {},
            },
            "status": {
                "currentNumberScheduled": 0,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": 0,
                "numberReady": 0,
            },
        },
        id="required numbers are written",
    ),
    pytest.param(
        SERVICE,
        {"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "http"}]}},
        {
            "metadata": {},
            "spec": {"ports": [{"port": 80, "targetPort": 0}, {"port": 81, "targetPort": "http"}]},
            "status": {"loadBalancer": {}},
        },
        id="IntOrString keeps its type, by value it is written",
    ),
    pytest.param(
        GroupVersionKind("apps", "v1", "ControllerRevision"),
        {"data": {"any": {"thing": None, "list": []}}, "revision": 0},
        {"metadata": {}, "data": {"any": {"thing": None, "list": []}}, "revision": 0},
        id="free-form parts stay, KEPT zero stays",
    ),
    pytest.param(
        LEASE,
        {"spec": {"holderIdentity": "", "renewTime": "2026-01-02T03:04:05.000000+01:00"}},
        {
            "metadata": {},
            "spec": {"holderIdentity": "", "renewTime": "2026-01-02T02:04:05.000000Z"},
        },
        id="MicroTime in UTC, empty text behind a pointer",
    ),
]


@pytest.mark.parametrize(("gvk", "body", "printed"), ROUND_TRIPS)
def test_zero_values_as_go_prints_them(
    gvk: GroupVersionKind, body: dict[str, Any], printed: dict[str, Any]
) -> None:
    """The decoded object is what encoding the decoded Go struct would give."""
    obj, warnings = decode.to_internal(body, gvk, decode.STRICT)
    assert obj == printed
    assert warnings == []


def test_canonical_quantities() -> None:
    """Quantities come out in canonical form, whether text or number came in."""
    body = pod(resources={"limits": {"memory": "1.5Gi", "cpu": 0.5}, "requests": {"cpu": 2}})
    read, _ = decode.to_internal(body, POD)
    assert read["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "1536Mi", "cpu": "500m"},
        "requests": {"cpu": "2"},
    }


def test_numbers_beyond_a_double_stay_exact() -> None:
    """int64 values that no float holds are kept to the last digit."""
    read, _ = decode.to_internal(meta(generation=(1 << 53) + 1), POD)
    assert read["metadata"]["generation"] == (1 << 53) + 1


def test_json_schema_parts_are_kept() -> None:
    """null is a JSON value in enum, false a schema in additionalProperties."""
    schema = {
        "enum": [None, 1, {"a": None}],
        "additionalProperties": False,
        "properties": {"x": {"items": [{"type": "string"}], "default": {"a": []}}},
        "dependencies": {"a": ["b"], "c": {"type": "object"}},
        "x-kubernetes-preserve-unknown-fields": False,
        "maximum": 3.0,
        "multipleOf": 0.5,
    }
    body = {"spec": {"versions": [{"schema": {"openAPIV3Schema": copy.deepcopy(schema)}}]}}
    crd, warnings = decode.to_internal(body, CRD)
    assert warnings == []
    kept = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert kept == schema
    assert isinstance(kept["maximum"], int)


def test_deep_nesting_is_refused() -> None:
    """A document nested deeper than the walker goes is a 400, not a crash."""
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"properties": {"x": schema}}
    body = {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    with pytest.raises(errors.StatusError, match="exceeded max depth"):
        decode.to_internal(body, CRD)


def test_kinds_that_are_not_built_in() -> None:
    """A custom resource has no walker here."""
    with pytest.raises(KeyError):
        decode.walker(GroupVersionKind("example.com", "v1", "Widget"))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param(
            [],
            'cannot unmarshal array into Go value of type struct { APIVersion string "json:'
            r'\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }',
            id="array",
        ),
        pytest.param(
            {"kind": 1},
            "cannot unmarshal number into Go struct field .kind of type string",
            id="numeric kind",
        ),
    ],
)
def test_documents_without_a_kind(document: Any, why: str) -> None:
    """What claims no kind that can be read is refused in upstream's words."""
    with pytest.raises(ValueError, match=r"^couldn't get version/kind") as caught:
        decode.interpret(document)
    assert str(caught.value) == f"couldn't get version/kind; json parse error: json: {why}"


def test_interpret() -> None:
    """A document's kind, with absent parts empty."""
    assert decode.interpret({"apiVersion": "apps/v1", "kind": "Deployment"}) == DEPLOYMENT
    assert decode.interpret({"apiVersion": None}) == GroupVersionKind("", "", "")
