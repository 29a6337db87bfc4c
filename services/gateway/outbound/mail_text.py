"""What a mail says: about an alert whom to call and by when, about any other fact what it says."""

from typing import Any

from services.chassis.texts import one_line

LINE_LENGTH_MAX = 500
LINES_MAX = 40
NAME_WIDTH = 12
_TO_THE_OPERATOR = {
    "delivery_failed": "The reseller could not be notified of this alert; the service desk joins.",
    "no_reseller": "The tenant of this alert has no reseller; the service desk joins.",
}
_TO_A_RESELLER = {
    "alert opened": "A service of your tenant is in trouble. Please acknowledge the alert: until then it is open, and escalates.",
    "alert raised": "The trouble of your tenant is worse than it was. Please acknowledge the alert again.",
    "alert resolved": "The trouble of your tenant is over.",
}


def subject_of(event: dict[str, Any], *, to_operator: bool) -> str:
    """The subject, on one line."""
    data, tenant = event["data"], event["data"].get("tenant") or {}
    what = "alert escalated" if to_operator else _spoken(event["type"])
    about = [tenant.get("name"), data.get("summary")]
    said = " - ".join(str(part) for part in about if part)
    return one_line(f"[Vicino] {what}: {said}" if said else f"[Vicino] {what}", LINE_LENGTH_MAX)


def body_of(event: dict[str, Any], *, to_operator: bool) -> str:
    """The text, one line a value: no value from outside begins a line of its own."""
    is_alert = event["type"].startswith("vicino.alert.")
    why = (
        _why_operator(event["data"])
        if to_operator
        else _TO_A_RESELLER.get(_spoken(event["type"]), "")
    )
    values = _of_alert(event["data"]) if is_alert else _of_fact(event)
    lines = [_line(name, value) for name, value in values.items()][:LINES_MAX]
    return "\n".join([*([one_line(why, LINE_LENGTH_MAX), ""] if why else []), *lines])


def _line(name: str, value: Any) -> str:
    return f"{name + ':':<{NAME_WIDTH}} {one_line(str(value), LINE_LENGTH_MAX)}"


def _spoken(wire_type: str) -> str:
    """`vicino.alert.opened.v1` is `alert opened`."""
    return " ".join(wire_type.split(".")[1:-1])


def _why_operator(data: dict[str, Any]) -> str:
    if "before" in data:
        return f"This alert, which the service desk has joined, rose from {data['before']} to {data['severity']}."
    return _TO_THE_OPERATOR.get(
        str(data.get("reason")),
        "Nobody has acknowledged this alert in time; the service desk joins.",
    )


def _of_alert(data: dict[str, Any]) -> dict[str, Any]:
    tenant = data["tenant"]
    who, person = data.get("contact") or {}, tenant.get("contact") or {}
    said = {
        "Tenant": f"{tenant['name']} ({tenant['external_id']})",
        "Service": " ".join(str(data[name]) for name in ("sku", "service_id") if name in data),
        "Trouble": data.get("summary"),
        "Severity": data.get("severity"),
        "Answer due": data.get("acknowledge_by"),
        "Reseller": f"{data['reseller_id']}, technician {who.get('name', '-')} {who.get('phone', '-')}",
        "At the firm": f"{person.get('name', '-')} {person.get('phone', '-')}",
        "Alert": data["alert_id"],
    }
    return {name: value for name, value in said.items() if value}


def _of_fact(event: dict[str, Any]) -> dict[str, Any]:
    """The plain values of a fact; lists are counted, for a mail is read by a person."""
    found: dict[str, Any] = {"Time": event["time"]}
    tenant = event["data"].get("tenant")
    if tenant:
        found["Tenant"] = f"{tenant['name']} ({tenant['external_id']})"
    for name, value in event["data"].items():
        if name == "tenant" or value in (None, "", [], {}):
            continue
        label = name.replace("_", " ").capitalize()
        found[label] = f"{len(value)}" if isinstance(value, list) else value
    return {name: value for name, value in found.items() if not isinstance(value, dict)}
