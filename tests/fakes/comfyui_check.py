"""How ComfyUI checks a prompt before it takes it: each output's part of the graph for itself."""

from __future__ import annotations

from typing import Any


class Rejected(Exception):
    """The 400 of a prompt. reply: its JSON."""

    def __init__(self, kind: str, message: str, details: str, errors: dict[str, Any] | list[Any]) -> None:
        super().__init__(message)
        error = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.reply = {"error": error, "node_errors": errors}


def checked_graph(
    graph: dict[str, Any], classes: dict[str, Any], files: set[str], strict_words: bool
) -> tuple[list[str], dict[str, Any]]:
    """(the outputs that will run, the node errors of those that will not). Rejected when none is left."""
    for name, node in graph.items():
        if node["class_type"] not in classes:
            if strict_words:
                said = f"Node '{node['class_type']}' not found. The custom node may not be installed."
                raise Rejected("missing_node_type", said, f"Node ID '#{name}'", {})
            said = f"Cannot execute because node {node['class_type']} does not exist."
            raise Rejected("invalid_prompt", said, f"Node ID '#{name}'", {})
    outputs = [name for name, node in graph.items() if classes[node["class_type"]].get("output_node")]
    if not outputs:
        raise Rejected("prompt_no_outputs", "Prompt has no outputs", "", [])
    errors: dict[str, Any] = {}
    good: list[str] = []
    for output in outputs:
        found = _errors(graph, classes, files, output, set())
        for name, listed in found.items():
            told = errors.setdefault(
                name, {"errors": listed, "dependent_outputs": [], "class_type": graph[name]["class_type"]}
            )
            told["dependent_outputs"].append(output)
        if not found:
            good.append(output)
    if not good:
        raise Rejected("prompt_outputs_failed_validation", "Prompt outputs failed validation", "", errors)
    return good, errors


def _errors(
    graph: dict[str, Any], classes: dict[str, Any], files: set[str], name: str, seen: set[str]
) -> dict[str, list[Any]]:
    """The errors of a node and of all that it needs."""
    if name in seen:
        return {}
    seen.add(name)
    found: dict[str, list[Any]] = {}
    told = classes[graph[name]["class_type"]]["input"]
    values = graph[name]["inputs"]
    listed: list[Any] = []
    for group in ("required", "optional"):
        for key, spec in told.get(group, {}).items():
            if key not in values:
                if group == "required":
                    listed.append(_error("required_input_missing", "Required input is missing", key, key, spec, None))
                continue
            value = values[key]
            if isinstance(value, list):
                if value[0] not in graph:
                    said = ("exception_during_validation", "Exception when validating node")
                    listed.append(_error(*said, '  File "/home/somebody/ComfyUI/execution.py"', key, spec, value))
                else:
                    found |= _errors(graph, classes, files, value[0], seen)
                continue
            listed += _value_errors(key, spec, value, files)
    if listed:
        found[name] = listed
    return found


def _value_errors(key: str, spec: list[Any], value: Any, files: set[str]) -> list[Any]:
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if kind in ("INT", "FLOAT") and isinstance(value, int | float):
        if "min" in options and value < options["min"]:
            said = f"Value {value} smaller than min of {options['min']}"
            return [_error("value_smaller_than_min", said, key, key, spec, value)]
        if "max" in options and value > options["max"]:
            said = f"Value {value} bigger than max of {options['max']}"
            return [_error("value_bigger_than_max", said, key, key, spec, value)]
        return []
    if options.get("image_upload") or options.get("video_upload"):
        if value in files:
            return []
        said = f"{key} - Invalid image file: {value}"
        return [_error("custom_validation_failed", "Custom validation failed for node", said, key, spec, value)]
    choices = options.get("options") if kind == "COMBO" else kind if isinstance(kind, list) else None
    if choices is not None and value not in choices:
        said = f"{key}: '{value}' not in {str(choices)[:200]}"
        return [_error("value_not_in_list", "Value not in list", said, key, spec, value)]
    return []


def _error(kind: str, message: str, details: str, key: str, spec: Any, value: Any) -> dict[str, Any]:
    extra = {"input_name": key, "input_config": spec, "received_value": value}
    return {"type": kind, "message": message, "details": details, "extra_info": extra}
