"""A shop behind `payack listen`, with Python's standard library alone:

    PAYACK_WEBHOOK_SECRET=whsec_… python3 shop.py

verify is what `Webhook(secret).verify(body, headers)` of the package
standardwebhooks does; use that where you can install it.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["PAYACK_WEBHOOK_SECRET"].removeprefix("whsec_"))
SETTLED = pathlib.Path(os.environ.get("SETTLED", "settled"))
TOLERANCE = 5 * 60  # seconds


def verify(body, headers):
    """Return the event, or raise ValueError."""
    sent = headers.get("webhook-timestamp", "")
    if not sent.isascii() or not sent.isdigit() or abs(time.time() - int(sent)) > TOLERANCE:
        raise ValueError("the timestamp is missing, or too far off")
    signed = f"{headers.get('webhook-id', '')}.{sent}.".encode() + body
    want = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256))
    for signature in headers.get("webhook-signature", "").split(" "):
        version, _, got = signature.partition(",")
        if version == "v1" and hmac.compare_digest(got.encode(), want):
            return json.loads(body)
    raise ValueError("no signature matches")


def settle(webhook_id, text):
    """Stand for your database: insert the id into a table where it is unique, in the
    transaction that settles the order. Here a file is both."""
    try:
        with open(SETTLED / webhook_id, "x") as f:
            f.write(text)
    except FileExistsError:
        pass  # an attempt before did it


def paid(provider, event):
    """Return what was paid; Ptop's webhooks name no amount."""
    if provider == "pts" and event["status"] == "2000":
        return f"{event['accept_amount']} {event['accept_currency']}"
    if provider == "payatom" and event["status"] in ("Approved", "Late Approved"):
        return event["received_amount"]
    if provider == "ptop" and event["success"]:
        return "paid"
    return None


class Shop(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            line = verify(body, self.headers)
        except ValueError:
            return self.answer(401)
        amount = paid(line["provider"], line["event"])
        if amount is not None:
            settle(self.headers["webhook-id"], f"{line['event']['order_id']} {amount}\n")
        self.answer(204)  # an exception before answers nothing, and payack tries again

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


SETTLED.mkdir(exist_ok=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Shop).serve_forever()
