# SPDX-License-Identifier: Apache-2.0
"""Gives a workload as many replicas as its Pods' use of resources asks for.

    every sync period: scale of the target, metrics of its Pods -> proposal per metric
                       -> the largest -> held within limits, rates and what was said before
                       -> scale written, conditions tell why

The arithmetic is in pure functions: `replicas` makes proposals, `behavior` holds them back;
`metrics` asks metrics.k8s.io, `controller` writes. Metrics of type Pods, Object and External,
which come from other servers, are not read: such a metric is told as one that failed.
"""
