# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
from __future__ import annotations

import pytest
import rejections
from rejections import CONFIG_KEY, GONE, IP, LABEL, LABEL_VALUE, PORT, QUALIFIED, SUBDOMAIN

from pyk8s.apimachinery import field
from pyk8s.apis.defaults import pods as defaults
from pyk8s.apis.validation import pods

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "x", "namespace": "default"},
    "spec": {
        "containers": [{"name": "main", "image": "nginx"}],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
        ],
    },
}
C = "spec containers 0"
HTTP = {"httpGet": {"port": 80}}
TOKEN = {"serviceAccountToken": {"path": "token"}}
HIDES = "must not contain '..'"

ROWS = [
    # metadata
    ("name", {"metadata name": "Web"}, f'metadata.name: Invalid value: "Web": {SUBDOMAIN}'),
    ("no-name", {"metadata name": GONE}, "metadata.name: Required value: name or generateName is required"),
    ("no-namespace", {"metadata namespace": GONE}, "metadata.namespace: Required value"),
    ("label-key", {"metadata labels": {"a b": "c"}}, f'metadata.labels: Invalid value: "a b": {QUALIFIED}'),
    ("label-value", {"metadata labels": {"a": "b c"}}, f'metadata.labels: Invalid value: "b c": {LABEL_VALUE}'),
    ("annotation-key", {"metadata annotations": {"a b": ""}}, f'metadata.annotations: Invalid value: "a b": {QUALIFIED}'),
    ("annotation-size", {"metadata annotations": {"a": "x" * 262144}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
    ("finalizer", {"metadata finalizers": ["mine"]}, 'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'),
    ("both-finalizers", {"metadata finalizers": ["orphan", "foregroundDeletion"]}, 'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set'),
    ("owner-uid", {"metadata ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}, 'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty'),
    ("owner-event", {"metadata ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]}, 'metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}: /v1, Kind=Event is disallowed from being an owner'),
    ("mirror", {"metadata annotations": {"kubernetes.io/config.mirror": "h"}}, 'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "h": must set spec.nodeName if mirror pod annotation is set'),
    ("deletion-cost", {"metadata annotations": {"controller.kubernetes.io/pod-deletion-cost": "+1"}}, 'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer'),
    ("app-armor", {"metadata annotations": {"container.apparmor.security.beta.kubernetes.io/main": "bad"}}, 'metadata.annotations[container.apparmor.security.beta.kubernetes.io/main]: Invalid value: "bad": invalid AppArmor profile name: "bad"'),
    # containers
    ("no-containers", {"spec containers": []}, "spec.containers: Required value"),
    ("no-image", {f"{C} image": GONE}, "spec.containers[0].image: Required value"),
    ("image-blank", {f"{C} image": " nginx"}, 'spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'),
    ("container-name", {f"{C} name": "Main"}, f'spec.containers[0].name: Invalid value: "Main": {LABEL}'),
    ("container-name-dots", {f"{C} name": "a.b"}, 'spec.containers[0].name: Invalid value: "a.b": must not contain dots'),
    ("no-container-name", {f"{C} name": GONE}, "spec.containers[0].name: Required value"),
    ("same-name", {"spec containers 1": {"name": "main", "image": "i"}}, 'spec.containers[1].name: Duplicate value: "main"'),
    ("pull-policy", {f"{C} imagePullPolicy": "Sometimes"}, 'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
    ("message-policy", {f"{C} terminationMessagePolicy": "Log"}, 'spec.containers[0].terminationMessagePolicy: Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError"'),
    ("init-name", {"spec initContainers": [{"name": "main", "image": "i"}]}, 'spec.initContainers[0].name: Duplicate value: "main"'),
    ("init-probe", {"spec initContainers": [{"name": "i", "image": "i", "livenessProbe": HTTP}]}, "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
    ("init-lifecycle", {"spec initContainers": [{"name": "i", "image": "i", "lifecycle": {}}]}, "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always"),
    ("ephemeral-on-create", {"spec ephemeralContainers": [{"name": "e", "image": "i"}]}, "spec.ephemeralContainers: Forbidden: cannot be set on create"),
    ("ephemeral-ports", {"spec ephemeralContainers": [{"name": "e", "image": "i", "ports": [{"containerPort": 1}]}]}, ["spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container", "spec.ephemeralContainers: Forbidden: cannot be set on create"]),
    ("rules-without-policy", {f"{C} restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]}, "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"),
    # ports
    ("no-port", {f"{C} ports": [{"name": "a"}]}, "spec.containers[0].ports[0].containerPort: Required value"),
    ("port-range", {f"{C} ports": [{"containerPort": 65536}]}, f"spec.containers[0].ports[0].containerPort: Invalid value: 65536: {PORT}"),
    ("host-port-range", {f"{C} ports": [{"containerPort": 1, "hostPort": -1}]}, f"spec.containers[0].ports[0].hostPort: Invalid value: -1: {PORT}"),
    ("port-name", {f"{C} ports": [{"containerPort": 1, "name": "HTTP"}]}, ['spec.containers[0].ports[0].name: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)', 'spec.containers[0].ports[0].name: Invalid value: "HTTP": must contain at least one letter (a-z)']),
    ("port-name-twice", {f"{C} ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}, 'spec.containers[0].ports[1].name: Duplicate value: "a"'),
    ("protocol", {f"{C} ports": [{"containerPort": 1, "protocol": "tcp"}]}, 'spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'),
    ("host-port-twice", {f"{C} ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}]}, 'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'),
    ("host-network-port", {"spec hostNetwork": True, f"{C} ports": [{"containerPort": 1, "hostPort": 2}]}, "spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true"),
    # environment
    ("env-name", {f"{C} env": [{"name": "a=b"}]}, "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='"),
    ("env-no-name", {f"{C} env": [{"value": "b"}]}, "spec.containers[0].env[0].name: Required value"),
    ("env-two-values", {f"{C} env": [{"name": "a", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}, 'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'),
    ("env-no-source", {f"{C} env": [{"name": "a", "valueFrom": {}}]}, 'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'),
    ("env-two-sources", {f"{C} env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": {"name": "s", "key": "k"}}}]}, 'spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time'),
    ("env-field", {f"{C} env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.image"}}}]}, 'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.image": error converting fieldPath: field label not supported: spec.image'),
    ("env-field-unsupported", {f"{C} env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]}, 'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'),
    ("env-resource", {f"{C} env": [{"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]}, 'spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"'),
    ("env-divisor", {f"{C} env": [{"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]}, 'spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource'),
    ("env-key", {f"{C} env": [{"name": "a", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a b"}}}]}, f'spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: "a b": {CONFIG_KEY}'),
    ("env-from-none", {f"{C} envFrom": [{}]}, 'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'),
    ("env-from-name", {f"{C} envFrom": [{"secretRef": {}}]}, "spec.containers[0].envFrom[0].secretRef.name: Required value"),
    # mounts and devices
    ("mount-volume", {f"{C} volumeMounts": [{"name": "nope", "mountPath": "/a"}]}, 'spec.containers[0].volumeMounts[0].name: Not found: "nope"'),
    ("mount-no-path", {f"{C} volumeMounts": [{"name": "data"}]}, "spec.containers[0].volumeMounts[0].mountPath: Required value"),
    ("mount-path-twice", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"}]}, 'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique'),
    ("sub-path", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "../b"}]}, f'spec.containers[0].volumeMounts.subPath: Invalid value: "../b": {HIDES}'),
    ("sub-path-absolute", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "/b"}]}, 'spec.containers[0].volumeMounts.subPath: Invalid value: "/b": must be a relative path'),
    ("both-sub-paths", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "b", "subPathExpr": "c"}]}, 'spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "c": subPathExpr and subPath are mutually exclusive'),
    ("propagation", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a", "mountPropagation": "Bidirectional"}]}, "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers"),
    ("recursive-read-only", {f"{C} volumeMounts": [{"name": "data", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]}, "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"),
    ("device-volume", {f"{C} volumeDevices": [{"name": "data", "devicePath": "/d"}]}, 'spec.containers[0].volumeDevices[0].name: Invalid value: "data": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'),
    ("device-path", {f"{C} volumeDevices": [{"name": "claim", "devicePath": "/../d"}]}, "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/../d\": can not contain backsteps ('..')"),
    # probes
    ("probe-none", {f"{C} livenessProbe": {}}, "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
    ("probe-two", {f"{C} readinessProbe": {**HTTP, "exec": {"command": ["a"]}}}, "spec.containers[0].readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type"),
    ("probe-success", {f"{C} livenessProbe": {**HTTP, "successThreshold": 2}}, "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
    ("probe-negative", {f"{C} readinessProbe": {**HTTP, "periodSeconds": -1}}, "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
    ("probe-grace", {f"{C} readinessProbe": {**HTTP, "terminationGracePeriodSeconds": 1}}, "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes"),
    ("probe-port", {f"{C} startupProbe": {"tcpSocket": {"port": 0}}}, f"spec.containers[0].startupProbe.tcpSocket.port: Invalid value: 0: {PORT}"),
    ("probe-scheme", {f"{C} startupProbe": {"httpGet": {"port": 1, "scheme": "ftp"}}}, 'spec.containers[0].startupProbe.httpGet.scheme: Unsupported value: "ftp": supported values: "HTTP", "HTTPS"'),
    ("exec-command", {f"{C} lifecycle": {"preStop": {"exec": {}}}}, "spec.containers[0].lifecycle.preStop.exec.command: Required value"),
    ("sleep", {f"{C} lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}, "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)"),
    ("stop-signal", {f"{C} lifecycle": {"stopSignal": "SIGTERM"}}, "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"),
    # resources
    ("request-above-limit", {f"{C} resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}, 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    ("negative-limit", {f"{C} resources": {"requests": {"cpu": "-1"}}}, 'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
    ("resource-name", {f"{C} resources": {"requests": {"disk": "1"}}}, ['spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified', 'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers']),
    ("extended-fraction", {f"{C} resources": {"limits": {"example.com/gpu": "500m"}}}, ['spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer', 'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer']),
    ("extended-no-limit", {f"{C} resources": {"requests": {"example.com/gpu": "1"}}}, "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"),
    ("extended-differs", {f"{C} resources": {"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}}}, 'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'),
    ("huge-pages-alone", {f"{C} resources": {"limits": {"hugepages-2Mi": "4Mi"}}}, "spec.containers[0].resources: Forbidden: HugePages require cpu or memory"),
    ("huge-pages-part", {f"{C} resources": {"limits": {"cpu": "1", "hugepages-2Mi": "3Mi"}}}, ['spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi', 'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi']),
    ("claim-unknown", {f"{C} resources": {"claims": [{"name": "c"}]}}, 'spec.containers[0].resources.claims[0]: Not found: "c": must be one of the names in pod.spec.resourceClaims which is empty'),
    ("claim-source", {"spec resourceClaims": [{"name": "c"}]}, 'spec.resourceClaims[0]: Invalid value: {"name":"c"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'),
    ("pod-resources", {"spec resources": {"limits": {"cpu": "1"}}, f"{C} resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "500m"}}}, 'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1'),
    ("resize-policy", {"spec restartPolicy": "Never", f"{C} resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}, "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'"),
    # volumes
    ("volume-name", {"spec volumes 0 name": "A"}, f'spec.volumes[0].name: Invalid value: "A": {LABEL}'),
    ("volume-twice", {"spec volumes 1 name": "data"}, 'spec.volumes[1].name: Duplicate value: "data"'),
    ("volume-two-types", {"spec volumes 0 hostPath": {"path": "/a"}}, "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
    ("host-path", {"spec volumes 0": {"name": "d", "hostPath": {"path": "/a/../b"}}}, f'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": {HIDES}'),
    ("host-path-type", {"spec volumes 0": {"name": "d", "hostPath": {"path": "/a", "type": "Dir"}}}, 'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'),
    ("secret-name", {"spec volumes 0": {"name": "d", "secret": {}}}, "spec.volumes[0].secret.secretName: Required value"),
    ("secret-mode", {"spec volumes 0": {"name": "d", "secret": {"secretName": "s", "defaultMode": 512}}}, "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"),
    ("config-map-item", {"spec volumes 0": {"name": "d", "configMap": {"name": "c", "items": [{"key": "k"}]}}}, "spec.volumes[0].configMap.items[0].path: Required value"),
    ("config-map-path", {"spec volumes 0": {"name": "d", "configMap": {"name": "c", "items": [{"key": "k", "path": "..a"}]}}}, "spec.volumes[0].configMap.items[0].path: Invalid value: \"..a\": must not start with '..'"),
    ("claim-name", {"spec volumes 1 persistentVolumeClaim": {}}, "spec.volumes[1].persistentVolumeClaim.claimName: Required value"),
    ("nfs", {"spec volumes 0": {"name": "d", "nfs": {"server": "s", "path": "a"}}}, 'spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path'),
    ("csi-driver", {"spec volumes 0": {"name": "d", "csi": {"driver": "a_b"}}}, f'spec.volumes[0].csi.driver: Invalid value: "a_b": {SUBDOMAIN}'),
    ("iscsi-lun", {"spec volumes 0": {"name": "d", "iscsi": {"targetPortal": "t", "iqn": "iqn.2001-04.com.example:disk1", "lun": 256}}}, "spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive"),
    ("ephemeral-template", {"spec volumes 0": {"name": "d", "ephemeral": {}}}, "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"),
    ("ephemeral-storage", {"spec volumes 0": {"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}}, "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value"),
    ("projected-two", {"spec serviceAccountName": "a", "spec volumes 0": {"name": "d", "projected": {"sources": [{**TOKEN, "secret": {"name": "s"}}]}}}, "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"),
    ("token-short", {"spec serviceAccountName": "a", "spec volumes 0": {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 1}}]}}}, "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes"),
    ("token-no-account", {"spec volumes 0": {"name": "d", "projected": {"sources": [TOKEN]}}}, "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set"),
    ("downward-api", {"spec volumes 0": {"name": "d", "downwardAPI": {"items": [{"path": "p"}]}}}, "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"),
    # policies, identity, host
    ("restart-policy", {"spec restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
    ("dns-policy", {"spec dnsPolicy": "Mine"}, 'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'),
    ("dns-none", {"spec dnsPolicy": "None"}, "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    ("nameservers", {"spec dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]}}, 'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers'),
    ("nameserver-ip", {"spec dnsConfig": {"nameservers": ["a"]}}, f'spec.dnsConfig.nameservers[0]: Invalid value: "a": {IP}'),
    ("deadline", {"spec activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    ("hostname", {"spec hostname": "a.b"}, 'spec.hostname: Invalid value: "a.b": must not contain dots'),
    ("host-alias", {"spec hostAliases": [{"ip": "x", "hostnames": ["a"]}]}, f'spec.hostAliases[0].ip: Invalid value: "x": {IP}'),
    ("node-name", {"spec nodeName": "A"}, f'spec.nodeName: Invalid value: "A": {SUBDOMAIN}'),
    ("gated-and-placed", {"spec nodeName": "n", "spec schedulingGates": [{"name": "g"}]}, "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
    ("gate-twice", {"spec schedulingGates": [{"name": "g"}, {"name": "g"}]}, 'spec.schedulingGates[1]: Duplicate value: "g"'),
    ("preemption", {"spec preemptionPolicy": "Maybe"}, 'spec.preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'),
    ("host-users", {"spec hostUsers": False, "spec hostPID": True}, "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false"),
    ("os", {"spec os": {"name": "plan9"}}, 'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'),
    ("windows", {"spec os": {"name": "windows"}, f"{C} securityContext": {"privileged": True}}, "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod"),
    ("host-process", {"spec securityContext": {"windowsOptions": {"hostProcess": True}}}, "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"),
    # security
    ("run-as-user", {"spec securityContext": {"runAsUser": -1}}, "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive"),
    ("fs-group-policy", {"spec securityContext": {"fsGroupChangePolicy": "x"}}, 'spec.securityContext.fsGroupChangePolicy: Unsupported value: "x": supported values: "Always", "OnRootMismatch"'),
    ("sysctl-host-net", {"spec hostNetwork": True, "spec securityContext": {"sysctls": [{"name": "net.ipv4.x", "value": "1"}]}}, "spec.securityContext.sysctls[0].name: Invalid value: \"net.ipv4.x\": may not be specified when 'hostNetwork' is true"),
    ("seccomp-type", {f"{C} securityContext": {"seccompProfile": {"type": "x"}}}, 'spec.containers[0].securityContext.seccompProfile.type: Unsupported value: "x": supported values: "Localhost", "RuntimeDefault", "Unconfined"'),
    ("seccomp-local", {"spec securityContext": {"seccompProfile": {"type": "Localhost"}}}, "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"),
    ("escalation", {f"{C} securityContext": {"allowPrivilegeEscalation": False, "privileged": True}}, 'spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
    ("proc-mount", {f"{C} securityContext": {"procMount": "Unmasked"}}, 'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'),
    # scheduling
    ("node-selector", {"spec nodeSelector": {"a": "b c"}}, f'spec.nodeSelector: Invalid value: "b c": {LABEL_VALUE}'),
    ("toleration-operator", {"spec tolerations": [{"key": "a", "operator": "In"}]}, 'spec.tolerations[0].operator: Unsupported value: "In": supported values: "Equal", "Exists", "Lt", "Gt"'),
    ("toleration-no-key", {"spec tolerations": [{"operator": "Equal"}]}, 'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"'),
    ("toleration-value", {"spec tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"),
    ("toleration-seconds", {"spec tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 1, "effect": "NoSchedule"}]}, "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"),
    ("toleration-effect", {"spec tolerations": [{"key": "a", "effect": "Go"}]}, 'spec.tolerations[0].effect: Unsupported value: "Go": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    ("affinity-terms", {"spec affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}}, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term"),
    ("affinity-weight", {"spec affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "podAffinityTerm": {"topologyKey": "z"}}]}}}, "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100"),
    ("affinity-operator", {"spec affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]}}}}, 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'),
    ("spread-skew", {"spec topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]}, "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
    ("spread-action", {"spec topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "Go"}]}, 'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Go": supported values: "DoNotSchedule", "ScheduleAnyway"'),
    ("spread-twice", {"spec topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}] * 2}, 'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{z, DoNotSchedule}"'),
    ("spread-keys", {"spec topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"]}]}, "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"),
    ("readiness-gate", {"spec readinessGates": [{"conditionType": "a b"}]}, f'spec.readinessGates[0].conditionType: Invalid value: "a b": {QUALIFIED}'),
    # several at once
    ("two-faults", {f"{C} image": GONE, "spec restartPolicy": "x"}, ["spec.containers[0].image: Required value", 'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"']),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), [pytest.param(*r[1:], id=r[0]) for r in ROWS])
def test_a_pod_that_breaks_a_rule_is_refused_in_upstreams_words(changes, expected):
    """Each fault has upstream's reason, path and sentence, and stands in upstream's order."""
    pod = rejections.changed(POD, changes)
    rejections.check_create(pods.validate_pod, defaults.default_pod, pod, expected)


def test_a_sound_pod_has_no_faults():
    """The object that every row changes is itself accepted."""
    pod = rejections.changed(POD, {})
    defaults.default_pod(pod)
    assert pods.validate_pod(pod) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"spec ephemeralContainers": [{"name": "e", "image": "i"}]},
            "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed "
            "in pod template",
            id="ephemeral",
        ),
        pytest.param(
            {"metadata labels": {"a b": "c"}},
            f'spec.template.labels: Invalid value: "a b": {QUALIFIED}',
            id="labels",
        ),
        pytest.param(
            {"spec containers 0 image": GONE},
            "spec.template.spec.containers[0].image: Required value",
            id="image",
        ),
    ],
)
def test_a_template_is_held_to_the_same_rules_at_its_own_path(changes, expected):
    """A PodTemplateSpec is validated where it stands in the object around it."""
    template = rejections.changed({"metadata": {}, "spec": POD["spec"]}, changes)
    defaults.default_pod_template(template)
    path = field.Path("spec", "template")
    rejections.check(pods.validate_pod_template(template, path), expected)


def test_a_template_may_hold_what_only_a_pod_is_refused():
    """An image padded with blanks, and host ports still to be filled in, wait for the Pod."""
    changes = {
        "spec containers 0 image": " i",
        "spec containers 0 ports": [{"containerPort": 80}],
        "spec hostNetwork": True,
    }
    template = rejections.changed({"spec": POD["spec"]}, changes)
    defaults.default_pod_template(template)
    assert pods.validate_pod_template(template, field.Path("template")) == []
