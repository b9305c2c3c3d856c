# SPDX-License-Identifier: Apache-2.0
"""Nodes: what a kubelet does for the Pods that are bound to it, and the runtimes beneath.

    Node, Lease  <- nodes.NodeKeeper      registration, status, heartbeats
    bound Pods   -> kubelet.Kubelet: admission (pure), or adoption of what ran before
                     |-> containers.ContainerKeeper -> runtime.Runtime
                     '-> status of the Pod (podstatus, pure), DELETE at the end

Many nodes live in one process, behind one watch of Pods. Here belongs what a node does by itself;
which Pod goes where is the scheduler's, and what becomes of silent nodes the controllers'. The one
runtime so far, `simulated`, runs nothing: a container is a program read from its command
(`program`), and a node says in its nodeInfo that it is simulated.

Annotations of a Pod steer the simulation; `CONTAINER.simulation.pyk8s.io/...` is for one container:

    simulation.pyk8s.io/exit-code   what its containers exit with
    simulation.pyk8s.io/duration    after how long they do so, as 1m30s; 0s if only a code is given
    simulation.pyk8s.io/ready       "false" while they are to run and not be ready
    simulation.pyk8s.io/image-pull-error   what pulling their images fails with
"""
