# SPDX-License-Identifier: Apache-2.0
"""The Secrets of bootstrap tokens."""

from __future__ import annotations

from pyk8s.client import informer, reflector, resources
from pyk8s.componenthelpers import bootstraptokens
from pyk8s.controllers.controller import Context


def token_secrets(context: Context, name: str) -> informer.SharedInformer:
    """Only these, of all the Secrets there may be. Whoever asks must run it."""
    source = reflector.ResourceListWatcher(
        client=context.client,
        resource=resources.SECRETS,
        namespace=bootstraptokens.NAMESPACE,
        field_selector=f"type={bootstraptokens.SECRET_TYPE}",
    )
    return informer.SharedInformer(source, name=name)
