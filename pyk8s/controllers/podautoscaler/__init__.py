# SPDX-License-Identifier: Apache-2.0
"""Gives a workload as many replicas as its Pods' use of resources asks for.

    every sync period: scale of the target, metrics of its Pods -> proposal per metric
                       -> the largest -> held within limits, rates and what was said before
                       -> scale written, conditions tell why

The arithmetic is in pure functions: `replicas` makes proposals, `behavior` holds them back;
`metrics` asks metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io, `proposals` makes
a proposal of each metric of a spec, `controller` writes.
"""
