# SPDX-License-Identifier: Apache-2.0
"""The command line: `pyk8s up | apiserver`. Parses flags, supervises processes, prints.

Modules here import the wings only inside the function that starts one, so that every command
loads just what it runs.
"""
