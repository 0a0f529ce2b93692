"""What Schemathesis has to know of this service beyond docs/openapi.json: a sale of its own, and how one comes by a pass."""

import collections
import os
import re
import time

import requests
import schemathesis

SERVER = os.environ["STANCHION_URL"] + "/api/v1"
TOKEN = os.environ.get("CONTRACT_TOKEN")
SALE = os.environ["SALE_EVENT"]
SHOW, ZONE = SALE[:-4] + "5555", SALE[:-4] + "2222"
METHODS = {"get", "put", "post", "delete"}


def token(user, **role):
    answer = requests.post(f"{SERVER}/dev/token", json={"user": user, **role}, timeout=10)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def open_sale():
    """A sale whose line moves at once, and which nobody can buy out."""
    sale = {
        "event_id": SALE,
        "name": "The contract's sale",
        "max_seats_per_user": 100000,
        "queue": {"rate_per_second": 100000, "burst": 100000, "max_active": 1000000},
        "shows": [
            {
                "show_id": SHOW,
                "name": "All evenings",
                "starts_at": "2030-05-03T18:00:00Z",
                "zones": [{"zone_id": ZONE, "name": "Everywhere", "capacity": 10000000, "unit_price": 100}],
            }
        ],
    }
    requests.post(f"{SERVER}/admin/events", json=sale, headers=token("olga", role="admin"), timeout=10).raise_for_status()


def new_pass(headers):
    """The pass of the user's place, who takes one if need be; None if it does not come soon."""
    join = requests.post(f"{SERVER}/queue/join", json={"event_id": SALE}, headers=headers, timeout=10)
    place = join.json()
    until = time.monotonic() + 2
    while "queue_pass" not in place and time.monotonic() < until:
        time.sleep(0.02)
        place = requests.get(f"{SERVER}/queue/position/{SALE}", headers=headers, timeout=10).json()
    return place.get("queue_pass")


@schemathesis.hook
def before_load_schema(context, schema):
    """`default` stands for what any route may answer (a full node, a fault). What happens here must be named."""
    for operations in schema["paths"].values():
        for method, operation in operations.items():
            if method in METHODS:
                operation["responses"].pop("default", None)


def place(event):
    """Zones are names of a database, which no pattern states: of those that are made up, every second becomes one of it."""
    turns["createEvent"] += 1
    if turns["createEvent"] % 2 and isinstance(event.get("time_zone"), str):
        event["time_zone"] = "Europe/Oslo"


turns = collections.Counter()

# As in docs/openapi.json.
IF_MATCH = r'(\*|(W/)?"[^",]*"( *, *(W/)?"[^",]*")*)'


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every second good reservation comes with a pass and asks for seats that there are: what is made up has neither."""
    operation = case.operation.definition.raw.get("operationId")
    if operation == "createEvent" and isinstance(case.body, dict):
        place(case.body)
    if TOKEN is None or operation not in ("reserveSeats", "reserveFirstThatFits"):
        return
    if not (case.meta and case.meta.generation.mode.is_positive and isinstance(case.body, dict)):
        return
    turns[operation] += 1
    if turns[operation] % 2 == 0:
        return
    queue_pass = new_pass({"Authorization": f"Bearer {TOKEN}"})
    if queue_pass is None:
        return
    case.headers["X-Queue-Pass"] = queue_pass
    case.body["event_id"] = SALE
    if "options" in case.body:
        case.body["options"] = [{"zone_id": ZONE, "quantity": option["quantity"]} for option in case.body["options"]]
    else:
        case.body.update(show_id=SHOW, zone_id=ZONE)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is refused for a reason that no schema can state: a key of an earlier request, two events at once, or none in either place; a
    currency or a time zone that a list does not have, and a time that does not exist."""
    if response.status_code != 422:
        return True
    problem = response.json()
    if case.operation.path == "/api/v1/admin/events" and problem.get("field", "").endswith(("currency", "time_zone", "starts_at_local")):
        return False
    # The coverage phase makes headers without a look at their pattern.
    if problem.get("field") == "If-Match" and re.fullmatch(IF_MATCH, str((case.headers or {}).get("If-Match", ""))) is None:
        return False
    if case.operation.path == "/api/v1/queue/leave" and problem["detail"] == "event_id is required":
        return False
    return problem["code"] != "IDEMPOTENCY_MISMATCH" and "the same in the query and in the body" not in problem["detail"]


open_sale()
