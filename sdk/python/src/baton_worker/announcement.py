"""What a worker says about itself on the exchange baton.announce: one message a task type, when it has connected and
every half minute; and a last one when it stops. `baton workers` lists it, `baton check --server` uses its schemas.
Pure."""
from __future__ import annotations

import json
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Dict, Optional

from .schema import Schema

EXCHANGE = "baton.announce"
#: Seconds. Who is silent for three of them is taken for gone.
INTERVAL = 30
TYPE, GONE_TYPE = "worker", "worker.gone"
#: Milliseconds after which the broker drops what nobody read.
EXPIRATION = str(3 * INTERVAL * 1000)

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}


def json_schema(schema: Schema) -> Dict[str, Any]:
    """The same as JSON Schema (draft 7). What may be missing may be null, too."""
    properties: Dict[str, Any] = {}
    required = []
    for name, wanted in schema.items():
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        types = [_TYPES[one] for one in kinds if one is not object]
        if name.endswith("?"):
            types.append("null")
        else:
            required.append(name)
        is_any = object in kinds
        properties[name.rstrip("?")] = {} if is_any else {"type": types[0] if len(types) == 1 else types}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": properties,
            "additionalProperties": False, **({"required": required} if required else {})}


def sdk_version() -> str:
    try:
        return "baton-worker " + version("baton-worker")
    except PackageNotFoundError:  # run from its sources
        return "baton-worker"


def announcement(type: str, schema: Optional[Schema], *, worker: str, queue: str, concurrency: int, version: str) -> bytes:
    about: Dict[str, Any] = {"task": type, "worker": worker, "version": version or sdk_version(), "host": socket.gethostname(),
                             "queue": queue, "concurrency": concurrency, "every": INTERVAL}
    if schema is not None:
        about["parameters"] = json_schema(schema)
    return json.dumps(about).encode()


def farewell(worker: str) -> bytes:
    return json.dumps({"worker": worker}).encode()
