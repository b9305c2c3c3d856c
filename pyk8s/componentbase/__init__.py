# SPDX-License-Identifier: Apache-2.0
"""What every component tells about itself, in the same words: health, metrics, version.

    metrics      counters, gauges and histograms that cost next to nothing to keep
    exposition   a component's metrics as Prometheus reads them
    health       named checks behind /healthz, /livez and /readyz
    serving      the small HTTP server that answers these pages
    version      the release whose behaviour is shown

Mirrors `k8s.io/component-base` and `k8s.io/apiserver/pkg/server/healthz`. Here belongs what does
not depend on what a component does: no Kubernetes object, no request to the API server. What is
counted stands beside what counts it.
"""
