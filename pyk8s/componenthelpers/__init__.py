# SPDX-License-Identifier: Apache-2.0
"""Rules about core objects that components of both wings share, as pure functions on plain dicts.

    attachments      which volumes are attached to nodes, and by what VolumeAttachments
    bootstraptokens  the Secrets by which new nodes come in
    nodeaffinity     which nodes a selector, a pod's required and its preferred affinity name
    podrequests      what a pod asks for and may use as a whole, and its quality of service
    podsecrets       which Secrets a pod names
    quota            what an object takes of a ResourceQuota, and which quotas it is counted by
    requestheaders   whom the headers of a front proxy name
    taints           which taints of a node a pod's tolerations leave standing
    tokensigning     how ServiceAccount tokens are signed, and what those in Secrets say
    tokenvolume      the volume by which a pod finds its token
    volumes          which PersistentVolume goes with which claim, and a pod's claims

Mirrors `k8s.io/component-helpers` and what kubelet and scheduler share beside it. Here belongs a
rule on which two components must agree. What one component alone decides stays with it, as do
I/O, caches of objects and anything that suspends. Imports nothing but apimachinery.
"""
