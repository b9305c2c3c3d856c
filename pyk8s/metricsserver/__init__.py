# SPDX-License-Identifier: Apache-2.0
"""The resource metrics API, metrics.k8s.io: what nodes and Pods use now.

    Nodes, running Pods -> informers --.
    kubelets' /metrics/resource -> scraper.Scraper -> samples.Samples, the last two of each
                                        ^                   |
    asked: sampler.Sampler keeps both fresh                 v
    API server in front -> server.MetricsServer -> api: NodeMetrics, PodMetrics, Tables

Mirrors kubernetes-sigs/metrics-server, with one difference: nobody is scraped while nobody asks.
The first question after a rest waits for two samples a second apart, and timestamp and window of
an answer say what it is about. `samples` and `api` are pure; `process` puts it all together.
"""
