# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
"""What a Pod is refused for in its volumes, devices and claims, and for its operating system."""

from __future__ import annotations

from typing import Any

import pytest
import rejections
from rejections import LABEL, LABEL_VALUE, QUALIFIED, SUBDOMAIN
from test_pod_rules import POD

from pyk8s.apis.defaults import pods as defaults
from pyk8s.apis.validation import pods


def _volume(source: dict[str, Any]) -> dict[str, Any]:
    return {"spec volumes 0": {"name": "data", **source}}


def _projected(source: dict[str, Any]) -> dict[str, Any]:
    return _volume({"projected": {"sources": [source]}})


ROWS: list[tuple[str, dict[str, Any], str | list[str]]] = [
    ("csi-driver", _volume({'csi': {}}), ['spec.volumes[0].csi.driver: Required value', f'spec.volumes[0].csi.driver: Invalid value: "": {SUBDOMAIN}']),
    ("csi-secret", _volume({'csi': {'driver': 'd.io', 'nodePublishSecretRef': {}}}), 'spec.volumes[0].csi.nodePublishSecretRef.name: Required value'),
    ("csi-secret-name", _volume({'csi': {'driver': 'd.io', 'nodePublishSecretRef': {'name': 'A'}}}), f'spec.volumes[0].csi.name: Invalid value: "A": {SUBDOMAIN}'),
    ("flocker-none", _volume({'flocker': {}}), 'spec.volumes[0].flocker: Required value: one of datasetName and datasetUUID is required'),
    ("flocker-both", _volume({'flocker': {'datasetName': 'a', 'datasetUUID': 'b'}}), 'spec.volumes[0].flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously'),
    ("flocker-slash", _volume({'flocker': {'datasetName': 'a/b'}}), 'spec.volumes[0].flocker.datasetName: Invalid value: "a/b": must not contain \'/\''),
    ("gce", _volume({'gcePersistentDisk': {}}), 'spec.volumes[0].persistentDisk.pdName: Required value'),
    ("gce-partition", _volume({'gcePersistentDisk': {'pdName': 'p', 'partition': 256}}), 'spec.volumes[0].persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive'),
    ("aws", _volume({'awsElasticBlockStore': {}}), 'spec.volumes[0].awsElasticBlockStore.volumeID: Required value'),
    ("aws-partition", _volume({'awsElasticBlockStore': {'volumeID': 'v', 'partition': -1}}), 'spec.volumes[0].awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive'),
    ("git", _volume({'gitRepo': {}}), 'spec.volumes[0].gitRepo.repository: Required value'),
    ("git-directory", _volume({'gitRepo': {'repository': 'r', 'directory': '../a'}}), 'spec.volumes[0].gitRepo.directory: Invalid value: "../a": must not contain \'..\''),
    ("iscsi", _volume({'iscsi': {}}), ['spec.volumes[0].iscsi.targetPortal: Required value', 'spec.volumes[0].iscsi.iqn: Required value']),
    ("iscsi-iqn", _volume({'iscsi': {'targetPortal': 'p', 'iqn': 'abc', 'lun': 0}}), 'spec.volumes[0].iscsi.iqn: Invalid value: "abc": must be valid format starting with iqn, eui, or naa'),
    ("iscsi-lun", _volume({'iscsi': {'targetPortal': 'p', 'iqn': 'iqn.2001-04.com.example:a', 'lun': 256}}), 'spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive'),
    ("iscsi-chap", _volume({'iscsi': {'targetPortal': 'p', 'iqn': 'iqn.2001-04.com.example:a', 'lun': 0, 'chapAuthSession': True}}), 'spec.volumes[0].iscsi.secretRef: Required value'),
    ("iscsi-initiator", _volume({'iscsi': {'targetPortal': 'p', 'iqn': 'iqn.2001-04.com.example:a', 'lun': 0, 'initiatorName': 'x'}}), 'spec.volumes[0].iscsi.initiatorname: Invalid value: "x": must be valid format starting with iqn, eui, or naa'),
    ("fc-none", _volume({'fc': {}}), 'spec.volumes[0].fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'),
    ("fc-both", _volume({'fc': {'targetWWNs': ['a'], 'wwids': ['b'], 'lun': 1}}), 'spec.volumes[0].fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously'),
    ("fc-lun", _volume({'fc': {'targetWWNs': ['a']}}), 'spec.volumes[0].fc.lun: Required value: lun is required if targetWWNs is specified'),
    ("nfs", _volume({'nfs': {}}), ['spec.volumes[0].nfs.server: Required value', 'spec.volumes[0].nfs.path: Required value', 'spec.volumes[0].nfs.path: Invalid value: "": must be an absolute path']),
    ("nfs-path", _volume({'nfs': {'server': 's', 'path': 'a'}}), 'spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path'),
    ("glusterfs", _volume({'glusterfs': {}}), ['spec.volumes[0].glusterfs.endpoints: Required value', 'spec.volumes[0].glusterfs.path: Required value']),
    ("rbd", _volume({'rbd': {}}), ['spec.volumes[0].rbd.monitors: Required value', 'spec.volumes[0].rbd.image: Required value']),
    ("cephfs", _volume({'cephfs': {}}), 'spec.volumes[0].cephfs.monitors: Required value'),
    ("cinder", _volume({'cinder': {}}), 'spec.volumes[0].cinder.volumeID: Required value'),
    ("flex", _volume({'flexVolume': {}}), 'spec.volumes[0].flexVolume.driver: Required value'),
    ("azure-file", _volume({'azureFile': {}}), ['spec.volumes[0].azureFile.secretName: Required value', 'spec.volumes[0].azureFile.shareName: Required value']),
    ("azure-disk", _volume({'azureDisk': {}}), ['spec.volumes[0].azureDisk.diskName: Required value', 'spec.volumes[0].azureDisk.diskURI: Required value', 'spec.volumes[0].azureDisk.diskURI: Unsupported value: "": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"']),
    ("azure-kind", _volume({'azureDisk': {'diskName': 'd', 'diskURI': 'https://d', 'kind': 'Odd'}}), 'spec.volumes[0].azureDisk.kind: Unsupported value: "Odd": supported values: "Dedicated", "Managed", "Shared"'),
    ("azure-uri", _volume({'azureDisk': {'diskName': 'd', 'diskURI': 'd', 'kind': 'Managed'}}), 'spec.volumes[0].azureDisk.diskURI: Unsupported value: "d": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"'),
    ("vsphere", _volume({'vsphereVolume': {}}), 'spec.volumes[0].vsphereVolume.volumePath: Required value'),
    ("photon", _volume({'photonPersistentDisk': {}}), 'spec.volumes[0].photonPersistentDisk.pdID: Required value'),
    ("portworx", _volume({'portworxVolume': {}}), 'spec.volumes[0].portworxVolume.volumeID: Required value'),
    ("scaleio", _volume({'scaleIO': {}}), ['spec.volumes[0].scaleIO.gateway: Required value', 'spec.volumes[0].scaleIO.system: Required value', 'spec.volumes[0].scaleIO.volumeName: Required value']),
    ("storageos", _volume({'storageos': {'volumeName': 'A'}}), f'spec.volumes[0].storageos.volumeName: Invalid value: "A": {LABEL}'),
    ("quobyte", _volume({'quobyte': {}}), ['spec.volumes[0].quobyte.registry: Required value: must be a host:port pair or multiple pairs separated by commas', 'spec.volumes[0].quobyte.volume: Required value']),
    ("quobyte-tenant", _volume({'quobyte': {'registry': 'a:1', 'volume': 'v', 'tenant': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}}), 'spec.volumes[0].quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters'),
    ("quobyte-registry", _volume({'quobyte': {'registry': 'a', 'volume': 'v'}}), 'spec.volumes[0].quobyte.registry: Invalid value: "a": must be a host:port pair or multiple pairs separated by commas'),
    ("claim", _volume({'persistentVolumeClaim': {}}), 'spec.volumes[0].persistentVolumeClaim.claimName: Required value'),
    ("image", _volume({'image': {}}), 'spec.volumes[0].image.reference: Required value'),
    ("image-policy", _volume({'image': {'reference': 'r', 'pullPolicy': 'Odd'}}), 'spec.volumes[0].image.pullPolicy: Unsupported value: "Odd": supported values: "Always", "IfNotPresent", "Never"'),
    ("ephemeral", _volume({'ephemeral': {}}), 'spec.volumes[0].ephemeral.volumeClaimTemplate: Required value'),
    ("host-path-back", _volume({'hostPath': {'path': '/a/../b'}}), 'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\''),
    ("host-path-type", _volume({'hostPath': {'path': '/a', 'type': 'Odd'}}), 'spec.volumes[0].hostPath.type: Unsupported value: "Odd": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'),
    ("empty-dir-size", _volume({'emptyDir': {'sizeLimit': '-1'}}), 'spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity'),
    ("secret-name", _volume({'secret': {}}), 'spec.volumes[0].secret.secretName: Required value'),
    ("config-map-name", _volume({'configMap': {}}), 'spec.volumes[0].configMap.name: Required value'),
    ("secret-mode", _volume({'secret': {'secretName': 's', 'defaultMode': 512}}), 'spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive'),
    ("item-path", _volume({'configMap': {'name': 'c', 'items': [{'key': 'a', 'path': '/b'}]}}), 'spec.volumes[0].configMap.items[0].path: Invalid value: "/b": must be a relative path'),
    ("item-key", _volume({'configMap': {'name': 'c', 'items': [{'key': '', 'path': 'b'}]}}), 'spec.volumes[0].configMap.items[0].key: Required value'),
    ("item-mode", _volume({'secret': {'secretName': 's', 'items': [{'key': 'a', 'path': 'b', 'mode': -1}]}}), 'spec.volumes[0].secret.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive'),
    ("two-sources", _volume({'emptyDir': {}, 'hostPath': {'path': '/a'}}), 'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'),
    ("projected-two", _projected({'secret': {'name': 's'}, 'configMap': {'name': 'c'}}), 'spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source'),
    ("projected-secret", _projected({'secret': {}}), 'spec.volumes[0].projected.sources[0].secret.name: Required value'),
    ("projected-config", _projected({'configMap': {}}), 'spec.volumes[0].projected.sources[0].configMap.name: Required value'),
    ("projected-same-path", _volume({'projected': {'sources': [{'secret': {'name': 's', 'items': [{'key': 'a', 'path': 'p'}]}}, {'configMap': {'name': 'c', 'items': [{'key': 'a', 'path': 'p'}]}}]}}), 'spec.volumes[0].projected: Invalid value: "c": conflicting duplicate paths'),
    ("projected-mode", _volume({'projected': {'defaultMode': 512, 'sources': []}}), 'spec.volumes[0].projected.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive'),
    ("token-path", _projected({'serviceAccountToken': {'path': ''}}), ['spec.volumes[0].projected.path: Required value', 'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set']),
    ("token-short", _projected({'serviceAccountToken': {'path': 't', 'expirationSeconds': 1}}), ['spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes', 'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set']),
    ("token-long", _projected({'serviceAccountToken': {'path': 't', 'expirationSeconds': 4294967297}}), ['spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds', 'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set']),
    ("token-up", _projected({'serviceAccountToken': {'path': '../t'}}), ['spec.volumes[0].projected.path: Invalid value: "../t": must not contain \'..\'', 'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set']),
    ("downward-path", _projected({'downwardAPI': {'items': [{'path': '', 'fieldRef': {'fieldPath': 'metadata.name'}}]}}), 'spec.volumes[0].projected.sources[0].downwardAPI.path: Required value'),
    ("downward-none", _projected({'downwardAPI': {'items': [{'path': 'a'}]}}), 'spec.volumes[0].projected.sources[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required'),
    ("downward-both", _projected({'downwardAPI': {'items': [{'path': 'a', 'fieldRef': {'fieldPath': 'metadata.name'}, 'resourceFieldRef': {'containerName': 'main', 'resource': 'limits.cpu'}}]}}), 'spec.volumes[0].projected.sources[0].downwardAPI: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously'),
    ("downward-field", _projected({'downwardAPI': {'items': [{'path': 'a', 'fieldRef': {'fieldPath': 'spec.nodeName'}}]}}), 'spec.volumes[0].projected.sources[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"'),
    ("downward-mode", _volume({'downwardAPI': {'items': [{'path': 'a', 'mode': 512, 'fieldRef': {'fieldPath': 'metadata.name'}}]}}), 'spec.volumes[0].downwardAPI.mode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive'),
    ("downward-resource", _volume({'downwardAPI': {'items': [{'path': 'a', 'resourceFieldRef': {'resource': 'limits.cpu'}}]}}), 'spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value'),
    ("bundle-both", _projected({'clusterTrustBundle': {'name': 'a', 'signerName': 'b.io/c', 'path': 'ca.pem'}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle: Invalid value: {"name":"a","signerName":"b.io/c","path":"ca.pem"}: only one of name and signerName may be used'),
    ("bundle-none", _projected({'clusterTrustBundle': {'path': 'ca.pem'}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified'),
    ("bundle-name-empty", _projected({'clusterTrustBundle': {'name': '', 'path': 'ca.pem'}}), ['spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Required value: must be a valid object name', f'spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: "": not a valid clustertrustbundlename: {SUBDOMAIN}']),
    ("bundle-name", _projected({'clusterTrustBundle': {'name': 'A', 'path': 'ca.pem'}}), f'spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: "A": not a valid clustertrustbundlename: {SUBDOMAIN}'),
    ("bundle-selector", _projected({'clusterTrustBundle': {'name': 'a', 'labelSelector': {}, 'path': 'ca.pem'}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle.labelSelector: Invalid value: {}: labelSelector must be unset if name is specified'),
    ("bundle-signer", _projected({'clusterTrustBundle': {'signerName': 'b', 'path': 'ca.pem'}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "b": must be a fully qualified domain and path of the form \'example.com/signer-name\''),
    ("bundle-signer-domain", _projected({'clusterTrustBundle': {'signerName': 'b/c', 'path': 'ca.pem'}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "b": should be a domain with at least two segments separated by dots'),
    ("bundle-signer-empty", _projected({'clusterTrustBundle': {'signerName': '', 'path': 'ca.pem'}}), ['spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Required value: must be a valid signer name', 'spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Required value']),
    ("bundle-path", _projected({'clusterTrustBundle': {'name': 'a', 'path': ''}}), 'spec.volumes[0].projected.sources[0].clusterTrustBundle.path: Required value'),
    ("cert-key", _projected({'podCertificate': {'signerName': 'a.io/b', 'keyType': 'ODD', 'maxExpirationSeconds': 3600, 'credentialBundlePath': 'c'}}), 'spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: "ODD": supported values: "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"'),
    ("cert-short", _projected({'podCertificate': {'signerName': 'a.io/b', 'keyType': 'ED25519', 'maxExpirationSeconds': 1, 'credentialBundlePath': 'c'}}), 'spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 1: if provided, maxExpirationSeconds must be >= 3600'),
    ("cert-long", _projected({'podCertificate': {'signerName': 'a.io/b', 'keyType': 'ED25519', 'maxExpirationSeconds': 7862401, 'credentialBundlePath': 'c'}}), 'spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 7862401: if provided, maxExpirationSeconds must be <= 7862400'),
    ("cert-path", _projected({'podCertificate': {'signerName': 'a.io/b', 'keyType': 'ED25519', 'maxExpirationSeconds': 3600}}), 'spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, certificateChainPath'),
    ("cert-signer", _projected({'podCertificate': {'signerName': 'a.io', 'keyType': 'ED25519', 'maxExpirationSeconds': 3600, 'credentialBundlePath': 'c'}}), 'spec.volumes[0].projected.sources[0].podCertificate.signerName: Invalid value: "a.io": must be a fully qualified domain and path of the form \'example.com/signer-name\''),
    ("device-unknown", {'spec containers 0 volumeDevices': [{'name': 'none', 'devicePath': '/dev/a'}]}, 'spec.containers[0].volumeDevices[0].name: Not found: "none"'),
    ("device-no-path", {'spec containers 0 volumeDevices': [{'name': 'claim', 'devicePath': ''}]}, 'spec.containers[0].volumeDevices[0].devicePath: Required value'),
    ("device-source", {'spec containers 0 volumeDevices': [{'name': 'data', 'devicePath': '/dev/a'}]}, 'spec.containers[0].volumeDevices[0].name: Invalid value: "data": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'),
    ("device-same-path", {'spec volumes 2': {'name': 'other', 'persistentVolumeClaim': {'claimName': 'd'}}, 'spec containers 0 volumeDevices': [{'name': 'claim', 'devicePath': '/dev/a'}, {'name': 'other', 'devicePath': '/dev/a'}]}, 'spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/dev/a": must be unique'),
    ("device-up", {'spec containers 0 volumeDevices': [{'name': 'claim', 'devicePath': '/dev/../a'}]}, 'spec.containers[0].volumeDevices[0].devicePath: Invalid value: "/dev/../a": can not contain backsteps (\'..\')'),
    ("device-and-mount", {'spec containers 0 volumeMounts': [{'name': 'claim', 'mountPath': '/a'}], 'spec containers 0 volumeDevices': [{'name': 'claim', 'devicePath': '/dev/a'}]}, ['spec.containers[0].volumeMounts[0].name: Invalid value: "claim": must not already exist in volumeDevices', 'spec.containers[0].volumeDevices[0].name: Invalid value: "claim": must not already exist in volumeMounts']),
    ("mount-on-device", {"spec containers 0 volumeMounts": [{"name": "data", "mountPath": "/dev/a"}], "spec containers 0 volumeDevices": [{"name": "claim", "devicePath": "/dev/a"}]}, ["spec.containers[0].volumeMounts[0].mountPath: Invalid value: \"/dev/a\": must not already exist as a path in volumeDevices", "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/dev/a\": must not already exist as a path in volumeMounts"]),
    ("claims-both", {'spec resourceClaims': [{'name': 'a', 'resourceClaimName': 'b', 'resourceClaimTemplateName': 'c'}]}, 'spec.resourceClaims[0]: Invalid value: {"name":"a","resourceClaimName":"b","resourceClaimTemplateName":"c"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'),
    ("claims-none", {'spec resourceClaims': [{'name': 'a'}]}, 'spec.resourceClaims[0]: Invalid value: {"name":"a"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'),
    ("claims-twice", {'spec resourceClaims': [{'name': 'a', 'resourceClaimName': 'b'}, {'name': 'a', 'resourceClaimName': 'b'}]}, 'spec.resourceClaims[1].name: Duplicate value: "a"'),
    ("claims-no-name", {'spec resourceClaims': [{'name': '', 'resourceClaimName': 'b'}]}, 'spec.resourceClaims[0].name: Required value'),
    ("linux-windows-options", {'spec os': {'name': 'linux'}, 'spec securityContext': {'windowsOptions': {'runAsUserName': 'a'}}}, 'spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod'),
    ("windows-linux-options", {'spec os': {'name': 'windows'}, 'spec securityContext': {'runAsUser': 1, 'fsGroup': 1, 'seLinuxOptions': {'level': 'a'}, 'sysctls': [{'name': 'a', 'value': 'b'}]}}, ['spec.securityContext.seLinuxOptions: Forbidden: cannot be set for a windows pod', 'spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod', 'spec.securityContext.sysctls: Forbidden: cannot be set for a windows pod', 'spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod']),
    ("windows-container", {'spec os': {'name': 'windows'}, 'spec containers 0 securityContext': {'privileged': True, 'capabilities': {'add': ['A']}}}, ['spec.containers[0].securityContext.capabilities: Forbidden: cannot be set for a windows pod', 'spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod']),
    ("windows-host", {'spec os': {'name': 'windows'}, 'spec hostPID': True}, 'spec.hostPID: Forbidden: cannot be set for a windows pod'),
    ("os", {'spec os': {'name': 'plan9'}}, 'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'),
    ("seccomp-annotation", {'metadata annotations': {'seccomp.security.alpha.kubernetes.io/pod': 'odd'}}, 'metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "odd": must be a valid seccomp profile'),
    ("seccomp-container", {'metadata annotations': {'container.seccomp.security.alpha.kubernetes.io/main': 'odd'}}, 'metadata.annotations.container.seccomp.security.alpha.kubernetes.io/main: Invalid value: "odd": must be a valid seccomp profile'),
    ("selector-value", {'spec affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'z', 'labelSelector': {'matchExpressions': [{'key': 'a', 'operator': 'In', 'values': ['b c']}]}}]}}}, f'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].values[0]: Invalid value: "b c": {LABEL_VALUE}'),
    ("selector-no-values", {'spec affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'z', 'labelSelector': {'matchExpressions': [{'key': 'a', 'operator': 'In'}]}}]}}}, "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
    ("selector-values", {'spec affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'z', 'labelSelector': {'matchExpressions': [{'key': 'a', 'operator': 'Exists', 'values': ['b']}]}}]}}}, "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
    ("selector-operator", {'spec affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'z', 'labelSelector': {'matchExpressions': [{'key': 'a', 'operator': 'Is'}]}}]}}}, 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'),
    ("no-topology-key", {'spec affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': '', 'labelSelector': {}}]}}}, ['spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty', 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty', f'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": {QUALIFIED}']),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), [pytest.param(*r[1:], id=r[0]) for r in ROWS])
def test_a_pod_is_refused_in_upstreams_words(
    changes: dict[str, Any], expected: str | list[str]
) -> None:
    """Each fault has upstream's reason, path and sentence, oddities of its paths included."""
    pod = rejections.changed(POD, changes)
    rejections.check_create(pods.validate_pod, defaults.default_pod, pod, expected)
