# SPDX-License-Identifier: Apache-2.0
"""Tests that carry the names of Kubernetes' official conformance tests.

They see a server from outside: kubectl and the official Python client, against whatever
`--kubeconfig` points at, a kube-apiserver too. Without it they start `pyk8s up`. Here belongs what
an official test of that name asserts, in its steps; what else we promise is tested in `tests/`.

    names/*.txt  the 446 official names of Kubernetes 1.36, by what they need
    behaviours   which test proves which name; a wrong or doubled name is an error
    client       the official client, in few words
    steps        what many of the official tests do in the same way
    report       progress, JUnit, and the count of what is proven
    run          the command
"""
