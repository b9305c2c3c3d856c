# SPDX-License-Identifier: Apache-2.0
"""The API conventions, as pure functions on plain dicts.

Here belong the things that are the same for every kind: identifiers, errors, field paths,
selectors, patches, quantities, times, names, the JSON and YAML codec. Nothing here knows a
particular kind, does I/O, or suspends. Objects are `dict[str, Any]` in JSON form, wire keys in
camelCase; a function that changes its argument says so, all others leave it as it was.
"""
