"""The way of a user and an operator through every route, to what it is for: each answer must be of the described form.

Schemathesis makes requests from the document alone, and seldom comes by what a route needs. Here every operation answers with its success
once, and those that change something also when there is nothing to change any more.
"""

import os
import sys
import uuid
from pathlib import Path

import hooks
import schemathesis
from schemathesis.specs.openapi import checks

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

config = schemathesis.Config.from_path(Path(__file__).with_name("schemathesis.toml"))
schema = schemathesis.openapi.from_path(sys.argv[1], config=config)
schema.config.update(base_url=os.environ["STANCHION_URL"])
OPERATIONS = {
    operation["operationId"]: (path, method.upper())
    for path, methods in schema.raw_schema["paths"].items()
    for method, operation in methods.items()
    if method in hooks.METHODS
}
succeeded = set()


def ask(operation, expected, who=None, body=None, query=None, headers=None, **path):
    """One request; its answer is of the form that the document gives for the status that is expected. Returns its JSON."""
    headers = {**(headers or {}), **(who or {})}
    given = {"path_parameters": path, "query": query or {}, "headers": headers}
    if body is not None:
        given.update(body=body, media_type="application/json")
    case = schema[OPERATIONS[operation][0]][OPERATIONS[operation][1]].Case(**given)
    response = case.call()
    assert response.status_code == expected, f"{operation}: {response.status_code} {response.text}, not {expected}"
    case.validate_response(response, checks=CHECKS)
    if expected < 300:
        succeeded.add(operation)
    kind = response.headers.get("content-type", [""])[0]
    return response.json() if "json" in kind else None


def refused(code, operation, status, *arguments, **more):
    problem = ask(operation, status, *arguments, **more)
    assert problem["code"] == code, problem


def in_line(who, event, **more):
    ask("joinQueue", 201, who, {"event_id": event, **more})
    assert ask("getPosition", 200, who, event_id=event)["position"] == 1


def reserve(who, operation, key, **wish):
    headers = {"X-Queue-Pass": hooks.new_pass(who), "Idempotency-Key": key}
    return ask(operation, 201, who, {"event_id": hooks.SALE, **wish}, headers=headers)["booking_id"], headers


def operators(olga):
    name = f"The walk {uuid.uuid4()}"
    zones = [{"name": "Stalls", "capacity": 4, "unit_price": 8900}]
    draft = {"name": name, "currency": "THB", "queue": {"state": "paused"}, "appearance": {"accent": "#0a7f5a"}}
    draft |= {"venue": "Lumpinee", "city": "Bangkok", "time_zone": "Asia/Bangkok"}
    show = {"name": "Friday", "starts_at_local": "2030-05-03T20:00", "zones": zones}
    event = ask("createEvent", 201, olga, {**draft, "shows": [show]})["event_id"]
    assert {"currency": "THB", "currency_digits": 2} in ask("listCurrencies", 200, olga)["currencies"]
    ask("getEventCalendar", 200, event_id=event)
    again = {**draft, "event_id": event, "shows": [{"name": "Friday", "zones": zones}]}
    refused("ALREADY_EXISTS", "createEvent", 409, olga, again)
    ask("listOperatedEvents", 200, olga)
    ask("getQueueSettings", 200, olga, event_id=event)
    changed = ask("changeQueueSettings", 200, olga, {"rate_per_second": 7, "message": "Doors at eight."}, event_id=event)
    seen, outdated = {"If-Match": f'"{changed["revision"]}"'}, {"If-Match": '"0000000000000000"'}
    ask("changeQueueSettings", 200, olga, {"rate_per_second": 7}, headers=seen, event_id=event)
    refused("PRECONDITION_FAILED", "changeQueueSettings", 412, olga, {"rate_per_second": 8}, headers=outdated, event_id=event)
    refused("PRECONDITION_FAILED", "changeAppearance", 412, olga, {"message": "Hello."}, headers=outdated, event_id=event)
    ask("changeAppearance", 200, olga, {"message": "Welcome.", "accent": ""}, event_id=event)
    ask("getLive", 200, olga, event_id=event)
    ask("getLive", 200, olga, query={"range": "6h"}, event_id=event)
    ask("streamLive", 200, olga, event_id=event)
    ask("listNodes", 200, olga)
    ask("syncInventory", 200, olga, {"event_id": event})
    ask("compareInventory", 200, olga, query={"event_id": event})
    assert ask("listAudit", 200, olga, query={"event_id": event, "limit": 1})["next"]
    return event


# Of nobody: the endpoint is the one of a test, and nothing listens there.
SUBSCRIPTION = {
    "endpoint": "http://127.0.0.1:9/push/ann",
    "keys": {
        "p256dh": "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        "auth": "AAAAAAAAAAAAAAAAAAAAAA",
    },
}


def pushes(ann, event):
    assert ask("getPushKey", 200)["public_key"]
    assert ask("subscribeToPush", 200, ann, SUBSCRIPTION, event_id=event)["subscribed"]
    elsewhere = {**SUBSCRIPTION, "endpoint": "https://push.example.org/ann"}
    refused("INVALID_REQUEST", "subscribeToPush", 422, ann, elsewhere, event_id=event)
    assert not ask("unsubscribeFromPush", 200, ann, event_id=event)["subscribed"]


def line(ann, olga, event):
    in_line(ann, event, wish=[])
    ask("joinQueue", 200, ann, {"event_id": event})
    ask("streamPosition", 200, ann, event_id=event)
    ask("getQueueStatus", 200, ann, event_id=event)
    pushes(ann, event)
    ask("leaveQueue", 200, ann, {"event_id": event})
    refused("NOT_IN_QUEUE", "subscribeToPush", 404, ann, SUBSCRIPTION, event_id=event)
    refused("NOT_IN_QUEUE", "leaveQueue", 404, ann, query={"event_id": event})
    refused("NOT_IN_QUEUE", "getPosition", 404, ann, event_id=event)
    in_line(ann, event)
    ask("removePlace", 200, olga, event_id=event, user_id="ann")
    refused("NOT_IN_QUEUE", "removePlace", 404, olga, event_id=event, user_id="ann")
    ask("changeQueueSettings", 200, olga, {"state": "closed"}, event_id=event)
    refused("QUEUE_CLOSED", "joinQueue", 409, ann, {"event_id": event})


def bookings(ann, bob):
    seats = {"show_id": hooks.SHOW, "zone_id": hooks.ZONE, "quantity": 2}
    refused("PASS_REQUIRED", "reserveSeats", 403, ann, {"event_id": hooks.SALE, **seats})
    bought, headers = reserve(ann, "reserveSeats", "walk-1", **seats)
    again = ask("reserveSeats", 201, ann, {"event_id": hooks.SALE, **seats}, headers=headers)
    assert again["booking_id"] == bought
    refused("IDEMPOTENCY_MISMATCH", "reserveSeats", 422, ann, {"event_id": hooks.SALE, **seats, "quantity": 3}, headers=headers)
    other = {**headers, "Idempotency-Key": "walk-2"}
    refused("PASS_USED", "reserveSeats", 409, ann, {"event_id": hooks.SALE, **seats}, headers=other)
    ask("listPendingBookings", 200, ann)
    ask("confirmBooking", 200, ann, booking_id=bought)
    code = ask("createBookingCode", 200, ann, booking_id=bought)["code"]
    assert ask("recoverBooking", 200, body={"code": code})["booking_id"] == bought
    refused("BOOKING_NOT_FOUND", "recoverBooking", 404, body={"code": "0" * 16})
    ask("getBookingCalendar", 200, ann, booking_id=bought)
    refused("BOOKING_NOT_PENDING", "cancelBooking", 409, ann, booking_id=bought)
    refused("BOOKING_NOT_FOUND", "getBooking", 404, bob, booking_id=bought)
    given_back, headers = reserve(ann, "reserveFirstThatFits", "walk-3", options=[{"zone_id": hooks.ZONE, "quantity": 1}])
    ask("cancelBooking", 200, ann, booking_id=given_back)
    options = {"event_id": hooks.SALE, "options": [{"zone_id": hooks.ZONE, "quantity": 1}]}
    refused("BOOKING_NOT_PENDING", "reserveFirstThatFits", 409, ann, options, headers=headers)
    refused("BOOKING_NOT_PENDING", "confirmBooking", 409, ann, booking_id=given_back)
    deleted, _ = reserve(ann, "reserveSeats", "walk-4", **seats)
    ask("deleteBooking", 200, ann, booking_id=deleted)
    assert ask("getBooking", 200, ann, booking_id=deleted)["status"] == "cancelled"
    assert ask("listBookings", 200, ann, query={"limit": 2, "offset": 1})["total"] == 3
    assert ask("summarizeBookings", 200, ann)["confirmed_seats"] == 2


def public():
    for operation in ["listEvents", "health", "ready", "metrics", "openapi", "asyncapi", "createGuest"]:
        ask(operation, 201 if operation == "createGuest" else 200)
    ask("createDevelopmentToken", 200, body={"user": "ann"})
    ask("getEvent", 200, event_id=hooks.SALE)
    ask("streamAvailability", 200, event_id=hooks.SALE)
    handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    ask("openSocket", 101, headers={**handshake, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    refused("INVALID_REQUEST", "openSocket", 400, headers={**handshake, "Sec-WebSocket-Key": "AAA"})


ann, bob, olga = hooks.token("ann"), hooks.token("bob"), hooks.token("olga", role="admin")
public()
line(ann, olga, operators(olga))
bookings(ann, bob)
missing = OPERATIONS.keys() - succeeded
assert not missing, f"no success of {sorted(missing)}"
print(f"{len(succeeded)} operations walked")
