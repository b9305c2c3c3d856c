# SPDX-License-Identifier: Apache-2.0
"""`pyk8s scheduler`: gives pods without a node one, as kube-scheduler does.

    informers -> Queue -> Evaluation: masks and scores over the NodeTable -> assume -> bind (task)
                   ^                                                              |
                   '--------- back-off, or until something relevant changed <-----'

    no node fits -> DefaultPreemption: dry runs over the table -> victims deleted, node promised
                                                                  (Nominator)

`config` reads what an operator wrote, `registry` knows the plugins of the tree and of installed
packages, `profiles` makes of both who is run where; `extender` asks services of others. `binding`
runs Reserve to PostBind. PodIndex counts pods by kind beside the table, for constraints between
pods. Knows the API server over HTTP alone. The framework that plugins are written against is a
package of its own; the plugins know nothing of queue and loop.
"""
