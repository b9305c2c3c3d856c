# SPDX-License-Identifier: Apache-2.0
"""What a verb means for a resource: Store runs the generic road, Strategies hold the exceptions.

    endpoints -> Store.create/get/list/update/delete/watch -> Strategy, admission -> Storage

StorageErrors end here, turned into StatusErrors. Nothing here knows HTTP: a Store is as well
called by a controller loop of the server itself as by a request.
"""
