# SPDX-License-Identifier: Apache-2.0
"""Keeps the Pods of a StatefulSet, each with a name, a number and claims that outlive it.

    claim pods -> revisions: current, update -> replicas in order -> condemned -> rolling update

`identity` says who a pod is and what it looks like, `claims` whom its claims belong to, `rollout`
which pods make way for a new template, `status` what the StatefulSet tells of itself: all pure.
`podcontrol` writes pods and claims, `controller` decides.
"""
