# SPDX-License-Identifier: Apache-2.0
"""`pyk8s scheduler`: gives pods without a node one, as kube-scheduler does.

    informers -> Queue -> Evaluation: masks and scores over the NodeTable -> assume -> bind (task)
                   ^                                                              |
                   '--------- back-off, or until something relevant changed <-----'

    no node fits -> DefaultPreemption: dry runs over the table -> victims deleted, node promised
                                                                  (Nominator)

`profiles` says which plugins there are, `binding` runs Reserve to PostBind. PodIndex counts pods by
kind beside the table, for constraints between pods. Knows the API server over HTTP alone. The
framework that plugins are written against is a package
of its own; the plugins know nothing of queue and loop.
"""
