# SPDX-License-Identifier: Apache-2.0
"""What new nodes come in by: bootstrap tokens, Secrets of a type of their own in kube-system.

    signer    signs ConfigMap kube-public/cluster-info with each, so that a node that has a token
              knows the cluster's CA for the right one
    cleaner   deletes those that have expired

Both are off unless they are named, as upstream's are. A token lets a node in where the API server
has --enable-bootstrap-token-auth.
"""
