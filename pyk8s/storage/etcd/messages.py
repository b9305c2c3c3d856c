# SPDX-License-Identifier: Apache-2.0
"""etcd's messages, as far as they are used here, and the methods that take them.

Described in a table instead of generated: names, numbers and types are those of etcd's
`rpc.proto` and `kv.proto` (v3.5), and a field that is not listed is skipped when read. The
classes come from protobuf's runtime, which encodes and decodes in C.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "pyk8s.etcd"
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
}

# Message -> "number name type". A type that is not a scalar is a message of this table; `*`
# behind it means repeated, and `|` that the field is one of a union. Enums travel as int32.
_MESSAGES = {
    "Header": ("3 revision int64",),
    "KeyValue": (
        "1 key bytes",
        "2 create_revision int64",
        "3 mod_revision int64",
        "4 version int64",
        "5 value bytes",
    ),
    "Event": ("1 type int32", "2 kv KeyValue", "3 prev_kv KeyValue"),
    "RangeRequest": (
        "1 key bytes",
        "2 range_end bytes",
        "3 limit int64",
        "4 revision int64",
        "9 count_only bool",
    ),
    "RangeResponse": ("1 header Header", "2 kvs KeyValue*", "3 more bool", "4 count int64"),
    "PutRequest": ("1 key bytes", "2 value bytes", "3 lease int64"),
    "DeleteRangeRequest": ("1 key bytes",),
    "RequestOp": (
        "1 request_range RangeRequest|",
        "2 request_put PutRequest|",
        "3 request_delete_range DeleteRangeRequest|",
    ),
    "ResponseOp": ("1 response_range RangeResponse|",),
    "Compare": (
        "1 result int32",
        "2 target int32",
        "3 key bytes",
        "4 version int64|",
        "6 mod_revision int64|",
    ),
    "TxnRequest": ("1 compare Compare*", "2 success RequestOp*", "3 failure RequestOp*"),
    "TxnResponse": ("1 header Header", "2 succeeded bool", "3 responses ResponseOp*"),
    "CompactionRequest": ("1 revision int64",),
    "CompactionResponse": ("1 header Header",),
    "WatchCreateRequest": (
        "1 key bytes",
        "2 range_end bytes",
        "3 start_revision int64",
        "6 prev_kv bool",
    ),
    "WatchRequest": ("1 create_request WatchCreateRequest|",),
    "WatchResponse": (
        "1 header Header",
        "3 created bool",
        "4 canceled bool",
        "5 compact_revision int64",
        "6 cancel_reason string",
        "11 events Event*",
    ),
    "LeaseGrantRequest": ("1 TTL int64",),
    "LeaseGrantResponse": ("1 header Header", "2 ID int64"),
    "LeaseRevokeRequest": ("1 ID int64",),
    "LeaseRevokeResponse": ("1 header Header",),
}

# Values of enums.
COMPARE_VERSION = 0
COMPARE_MOD_REVISION = 2
EVENT_DELETE = 1


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="pyk8s/etcd.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, lines in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any(line.endswith("|") for line in lines):
            message.oneof_decl.add(name="union")
        for line in lines:
            message.field.append(_field(line))
    return file


def _field(line: str) -> descriptor_pb2.FieldDescriptorProto:
    number, name, kind = line.rstrip("*|").split()
    field = _Field(name=name, number=int(number))
    field.label = _Field.LABEL_REPEATED if line.endswith("*") else _Field.LABEL_OPTIONAL
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    if line.endswith("|"):
        field.oneof_index = 0
    return field


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_describe())


def _class(name: str) -> Any:
    descriptor = _pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    return message_factory.GetMessageClass(descriptor)


RangeRequest = _class("RangeRequest")
PutRequest = _class("PutRequest")
DeleteRangeRequest = _class("DeleteRangeRequest")
RequestOp = _class("RequestOp")
Compare = _class("Compare")
TxnRequest = _class("TxnRequest")
CompactionRequest = _class("CompactionRequest")
WatchCreateRequest = _class("WatchCreateRequest")
WatchRequest = _class("WatchRequest")
LeaseGrantRequest = _class("LeaseGrantRequest")
LeaseRevokeRequest = _class("LeaseRevokeRequest")


class Method(NamedTuple):
    """A remote procedure: its path, and the class of its answers."""

    path: str
    response: Any


RANGE = Method("/etcdserverpb.KV/Range", _class("RangeResponse"))
TXN = Method("/etcdserverpb.KV/Txn", _class("TxnResponse"))
COMPACT = Method("/etcdserverpb.KV/Compact", _class("CompactionResponse"))
WATCH = Method("/etcdserverpb.Watch/Watch", _class("WatchResponse"))
LEASE_GRANT = Method("/etcdserverpb.Lease/LeaseGrant", _class("LeaseGrantResponse"))
LEASE_REVOKE = Method("/etcdserverpb.Lease/LeaseRevoke", _class("LeaseRevokeResponse"))
