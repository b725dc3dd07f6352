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
import re
import sys
import tempfile
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["PAYACK_WEBHOOK_SECRET"].removeprefix("whsec_"))
SETTLED = pathlib.Path(os.environ.get("SETTLED", "settled"))
# The open orders by id. The file stands for your table of orders.
ORDERS = json.loads(pathlib.Path(os.environ.get("ORDERS", pathlib.Path(__file__).parent.parent / "orders.json")).read_text())
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


def settle(order_id, text):
    """Stand for your database. There, mark the order as paid in the transaction that
    credits it, unless it is paid already. Here one file does both: it exists whole, or
    not at all."""
    with tempfile.NamedTemporaryFile("w", dir=SETTLED, prefix=".") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
        try:
            os.link(f.name, SETTLED / urllib.parse.quote(order_id, safe=""))
        except FileExistsError:
            pass  # an earlier attempt did it


def paid(provider, event, order):
    """Return what was paid for an order: the amount and the currency, or None if the
    event doesn't say that it was paid. Ptop's webhooks have no amount, so the order's
    counts. payack has asked Ptop whether it was paid only if confirm is configured."""
    if provider == "pts" and event["status"] == "2000":
        return event["accept_amount"], event["accept_currency"]
    if provider == "payatom" and event["status"] in ("Approved", "Late Approved"):
        return event["received_amount"], None
    if provider == "ptop" and event["success"]:
        return order.get("amount"), order.get("currency")
    return None


def plain(amount):
    """Return a decimal number in one form: 100.50 and 100.5 are one amount."""
    match = re.fullmatch(r"0*([0-9]+?)(?:\.([0-9]*?)0*)?", amount or "")
    return match and (match[1], match[2] or "")


def credit(provider, event):
    """Settle an order of yours that was paid in full. Everything else (a withdrawal,
    another amount) is acknowledged too, but left for a person."""
    order = ORDERS.get(event["order_id"], {})
    got = paid(provider, event, order)
    if got is None:
        return
    amount, currency = got
    if order.get("provider") != provider or not plain(amount) or plain(amount) != plain(order["amount"]) or currency != order.get("currency"):
        print("not credited:", provider, ascii(event["order_id"]), ascii(got), file=sys.stderr)
        return
    settle(event["order_id"], f"{order['amount']} {order.get('currency', '')}".strip() + "\n")


class Shop(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            line = verify(body, self.headers)
        except ValueError:
            return self.answer(401)
        credit(line["provider"], line["event"])
        self.answer(204)  # after an exception nothing is answered, and payack tries again

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


SETTLED.mkdir(exist_ok=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Shop).serve_forever()
