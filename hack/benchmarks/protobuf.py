# SPDX-License-Identifier: Apache-2.0
"""Print what a typical Pod costs in protobuf and, beside it, in JSON."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

from hack.benchmarks import decode as pods_source
from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import decode, protobuf

POD = pods_source.POD
LIST = POD._replace(kind="PodList")
ROUNDS = 9


def typical_pods(count: int) -> list[Object]:
    """As a Deployment makes them: names, addresses and moments of their own, the rest alike."""
    pods = []
    for at in range(count):
        pod = copy.deepcopy(pods_source.pod())
        pod["metadata"]["name"] = f"web-5d4f8c7b9d-{at:05}"
        pod["metadata"]["uid"] = f"0b6a8bb1-6c2b-4b8e-9f0e-{at:012}"
        pod["status"]["podIP"] = f"10.1.{at // 250}.{at % 250}"
        pod["status"]["startTime"] = f"2026-01-02T03:{at // 60 % 60:02}:{at % 60:02}Z"
        pods.append(decode.to_internal(pod, POD)[0])
    return pods


def best_us(work: Callable[[Any], object], inputs: list[Any], count: int) -> float:
    figures = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for one in inputs:
            work(one)
        figures.append((time.process_time() - start) / count * 1e6)
    return min(figures)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="hack/bench protobuf", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--pods", type=int, default=1000)
    count = parser.parse_args(arguments).pods
    pods = typical_pods(count)
    texts = [codec.encode_json(pod) for pod in pods]
    start = time.perf_counter()
    messages = [protobuf.encode(pods[0], POD)]
    protobuf.decode(messages[0])
    compile_ms = (time.perf_counter() - start) * 1e3
    messages = [protobuf.encode(pod, POD) for pod in pods]
    raws = [protobuf.encode_raw(pod, POD) for pod in pods]
    print(f"Pod: JSON {len(texts[0])} bytes, protobuf {len(messages[0])}; ", end="")
    print(f"codec compiled in {compile_ms:.1f} ms; CPU per pod, best of {ROUNDS}")
    rows: list[tuple[str, Callable[[Any], object], list[Any], Callable[[Any], object], list[Any]]]
    rows = [
        ("decode", protobuf.decode, messages, codec.decode_json, texts),
        ("encode", lambda pod: protobuf.encode(pod, POD), pods, codec.encode_json, pods),
        ("list of encoded items", listed, [raws], b",".join, [texts]),
    ]
    for name, ours, our_inputs, json, json_inputs in rows:
        our_us, json_us = best_us(ours, our_inputs, count), best_us(json, json_inputs, count)
        print(f"{name:<24}{our_us:8.2f} us   JSON {json_us:8.2f} us")


def listed(raws: list[bytes]) -> bytes:
    return protobuf.encode_list({"resourceVersion": "1"}, raws, LIST)
