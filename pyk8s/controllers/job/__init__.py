# SPDX-License-Identifier: Apache-2.0
"""Runs Pods to their end, as often as a Job asks for, and counts each of them once.

    claim pods -> Sync: what has ended, whether the Job has -> pods made or removed
               -> status with what is not counted yet -> finalizers taken off -> counted

A Pod is held by the finalizer batch.kubernetes.io/job-tracking until its end stands in the Job's
status; the status holds its uid until the finalizer is off. So whoever dies in between, the next
one finds each Pod either held, or counted. The rules are pure functions (`sync`, `tracking`,
`failures`, `indexes`, `backoff`, `template`); only `controller` and `pod_control` write.
"""
