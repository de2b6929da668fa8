#!/usr/bin/env python3
"""Makes contract.json of Slack's published OpenAPI file: the methods that the worker calls, without texts and examples.

usage: trim.py slack_web_openapi_v2.json > contract.json

The file is of 2020 and archived, so what Slack has documented since then and the worker uses is added below: metadata
of messages, cursors, team_id, and uploading by external URL.
"""
import json
import sys

METHODS = """
admin.users.invite admin.users.remove admin.users.assign auth.test users.lookupByEmail users.info
conversations.list conversations.info conversations.create conversations.invite conversations.kick conversations.archive
conversations.unarchive conversations.rename conversations.setTopic conversations.setPurpose conversations.open
conversations.history conversations.replies chat.postMessage chat.update chat.delete reactions.add reactions.remove
usergroups.list usergroups.users.list usergroups.users.update files.list
""".split()

TEXTS = {"description", "title", "example", "examples", "externalDocs", "tags", "x-examples"}


def without_texts(value, names_are_data=False):
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: without_texts(item, key in ("properties", "definitions", "paths"))
            for key, item in value.items() if names_are_data or key not in TEXTS}


def referenced(value, definitions, found):
    if isinstance(value, list):
        for item in value:
            referenced(item, definitions, found)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                name = item.rsplit("/", 1)[1]
                if name not in found:
                    found[name] = definitions[name]
                    referenced(definitions[name], definitions, found)
            else:
                referenced(item, definitions, found)
    return found


def parameter(name, where, kind="string", required=False):
    return {"name": name, "in": where, "type": kind, "required": required}


def later_additions(paths, definitions):
    definitions["objs_message"]["properties"]["metadata"] = {
        "type": "object", "required": ["event_type", "event_payload"], "additionalProperties": False,
        "properties": {"event_type": {"type": "string"}, "event_payload": {"type": "object"}}}
    paths["/chat.postMessage"]["post"]["parameters"].append(parameter("metadata", "formData"))
    for method in ("conversations.history", "conversations.replies"):
        operation = paths["/" + method]["get"]
        operation["parameters"].append(parameter("include_all_metadata", "query", "boolean"))
    cursor = {"type": "object", "required": ["next_cursor"], "properties": {"next_cursor": {"type": "string"}}}
    history = paths["/conversations.history"]["get"]["responses"]["200"]["schema"]
    history["properties"]["response_metadata"] = cursor
    del history["properties"]["messages"]["minItems"]      # a channel may be empty
    # In the file this is a list of lists.
    replies = paths["/conversations.replies"]["get"]["responses"]["200"]["schema"]
    replies["properties"]["messages"]["items"] = {"$ref": "#/definitions/objs_message"}
    replies["properties"]["response_metadata"] = cursor
    for method in ("conversations.list", "usergroups.list", "usergroups.users.list"):
        paths["/" + method]["get"]["parameters"].append(parameter("team_id", "query"))
    for method in ("conversations.create", "usergroups.users.update"):
        paths["/" + method]["post"]["parameters"].append(parameter("team_id", "formData"))
    ok = {"$ref": "#/definitions/defs_ok_true"}
    paths["/files.getUploadURLExternal"] = {"get": {
        "parameters": [parameter("filename", "query", required=True), parameter("length", "query", "integer", True)],
        "produces": ["application/json"],
        "security": paths["/files.list"]["get"]["security"],
        "responses": {"200": {"schema": {
            "type": "object", "required": ["ok", "upload_url", "file_id"],
            "properties": {"ok": ok, "upload_url": {"type": "string", "format": "uri"}, "file_id": {"$ref": "#/definitions/defs_file_id"}}}}}}}
    paths["/files.completeUploadExternal"] = {"post": {
        "parameters": [parameter("files", "formData", required=True)] +
                      [parameter(name, "formData") for name in ("channel_id", "initial_comment", "thread_ts")],
        "consumes": ["application/x-www-form-urlencoded"], "produces": ["application/json"],
        "security": paths["/files.list"]["get"]["security"],
        "responses": {"200": {"schema": {
            "type": "object", "required": ["ok", "files"],
            "properties": {"ok": ok, "files": {"type": "array", "items": {
                "type": "object", "required": ["id"], "properties": {"id": {"$ref": "#/definitions/defs_file_id"}, "title": {"type": "string"}}}}}}}}}}


def main():
    published = json.load(open(sys.argv[1]))
    paths = {"/" + method: without_texts(published["paths"]["/" + method]) for method in METHODS}
    definitions = without_texts(published["definitions"], True)
    for path in paths.values():
        for operation in path.values():
            # The token travels as a bearer.
            operation["parameters"] = [one for one in operation.get("parameters", []) if one["name"] != "token"]
            operation["consumes"] = ["application/x-www-form-urlencoded"]
    later_additions(paths, definitions)
    for path in paths.values():
        for operation in path.values():
            responses = operation["responses"]
            responses["200"].pop("headers", None)
            # A refusal is HTTP 200, too.
            responses["200"] = {"description": "", "schema": {"anyOf": [
                responses["200"]["schema"],
                {"type": "object", "required": ["ok", "error"], "properties": {"ok": {"enum": [False]}, "error": {"type": "string"}}}]}}
            operation["responses"] = {"200": responses["200"]}
    contract = {
        "swagger": "2.0", "basePath": "/", "schemes": ["http"],
        "info": {"title": "Slack Web API, what Baton's worker uses", "version": published["info"]["version"]},
        "securityDefinitions": without_texts(published["securityDefinitions"]),
        "paths": paths,
        "definitions": referenced(paths, definitions, {}),
    }
    json.dump(contract, sys.stdout, indent=1, sort_keys=True)
    print()


main()
