# SPDX-License-Identifier: Apache-2.0
"""Nodes: what a kubelet does for the Pods that are bound to it, and the runtimes beneath.

    Node, Lease  <- nodes.NodeKeeper      registration, status, heartbeats
    bound Pods   -> kubelet.Kubelet: admission (pure), or adoption of what ran before
                     |-> containers.ContainerKeeper -> runtime.Runtime
                     |     order, restarts; probes, imagemanager
                     '-> status of the Pod (podstatus, pure), DELETE at the end
    API server   -> server.NodeServer: logs, exec and attach (streams), stats, over TLS

Many nodes live in one process, behind one watch of Pods. Here belongs what a node does by itself;
which Pod goes where is the scheduler's, and what becomes of silent nodes the controllers'. The one
runtime so far, `simulated`, runs nothing: a container is a program read from its command
(`program`), with the files it makes (`files`), and a node says in its nodeInfo that it is
simulated. So does each log in its first line; what is asked of a container and not simulated
(`shell`) is refused by name. What probes and hooks come to, `answers` says.

Beside them `provisioner` makes simulated volumes, which hold nothing, for claims that ask for such,
and `attacher` attaches them; `volumemanager` waits for that as a kubelet does.

Annotations of a Pod steer the simulation; `CONTAINER.simulation.pyk8s.io/...` is for one container:

    simulation.pyk8s.io/exit-code   what its containers exit with
    simulation.pyk8s.io/duration    after how long they do so, as 1m30s; 0s if only a code is given
    simulation.pyk8s.io/ready       "false" while they are to run and not be ready
    simulation.pyk8s.io/PROBE-fails-after, PROBE-succeeds-after
                                    from which age on the startup, readiness or liveness probe
                                    fails or succeeds, as 10s
    simulation.pyk8s.io/image-pull-error   what pulling their images fails with
    simulation.pyk8s.io/cpu-usage, memory-usage
                                    what each of them uses; as much as it requests without one
"""
