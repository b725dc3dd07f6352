"""Sends callbacks as a provider in Python would, and checks requests and
callbacks as a merchant or a provider in Python would. It reads a list of
instructions as JSON from standard input and prints a list of results."""

import base64
import hashlib
import hmac
import json
import os
import sys
from urllib.parse import urlencode

try:
    from Crypto.Cipher import AES
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA
    from Crypto.Signature import pkcs1_15
    from Crypto.Util.Padding import pad, unpad
except ImportError:  # Debian's name for it
    from Cryptodome.Cipher import AES
    from Cryptodome.Hash import SHA256
    from Cryptodome.PublicKey import RSA
    from Cryptodome.Signature import pkcs1_15
    from Cryptodome.Util.Padding import pad, unpad


def text(value):
    return "" if value is None else str(value)


def compact(value, **options):
    return json.dumps(value, separators=(",", ":"), **options)


def literals(body):
    """Decodes JSON and keeps the literal of each number."""
    return json.loads(body, parse_float=str, parse_int=str)


def hex_hmac(key, message):
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def pts_text(members, names, safecode):
    pairs = [f"{name}={text(members[name])}" for name in sorted(names)]
    return "&".join(pairs) + "&" + safecode


def pts_seal(plain, safecode):
    cipher = AES.new(safecode.encode(), AES.MODE_ECB)
    return base64.b64encode(cipher.encrypt(pad(plain.encode(), 16))).decode()


def pts_open(sealed, safecode):
    cipher = AES.new(safecode.encode(), AES.MODE_ECB)
    return unpad(cipher.decrypt(base64.b64decode(sealed, validate=True)), 16).decode()


def pts_header(body, secret):
    mac = hmac.new(secret.encode(), body.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def payatom_seal(message, secret):
    key = hashlib.sha256(secret.encode()).digest()
    iv = os.urandom(16)
    digest = hashlib.md5((message + secret).encode()).hexdigest()
    sealed = AES.new(key, AES.MODE_CBC, iv).encrypt(pad(digest.encode(), 16))
    mac = hmac.new(key, sealed + iv, hashlib.sha256).digest()
    return base64.b64encode(iv + mac + sealed).decode()


def payatom_matches(blob, message, secret):
    key = hashlib.sha256(secret.encode()).digest()
    blob = base64.b64decode(blob, validate=True)
    iv, mac, sealed = blob[:16], blob[16:48], blob[48:]
    if not hmac.compare_digest(mac, hmac.new(key, sealed + iv, hashlib.sha256).digest()):
        return False
    digest = unpad(AES.new(key, AES.MODE_CBC, iv).decrypt(sealed), 16).decode()
    return hmac.compare_digest(digest, hashlib.md5((message + secret).encode()).hexdigest())


def send_ptop(members, how, key):
    if how == "header":
        body = compact(members, ensure_ascii=False)
        return "application/json", {"X-Signature": hex_hmac(key, body)}, body
    if how == "spliced":
        body = json.dumps(members)  # with its blanks
        return "application/json", {}, body[:-1] + ', "signature": "' + hex_hmac(key, body) + '"}'
    if how == "blanked":
        signature = hex_hmac(key, compact({**members, "signature": ""}))
        return "application/json", {}, compact({**members, "signature": signature})
    body = urlencode(members)
    return "application/x-www-form-urlencoded", {}, body + "&signature=" + hex_hmac(key, body)


def send_pts(members, how, signed, keys):
    digest = SHA256.new(pts_text(members, signed, keys["safecode"]).encode())
    signature = pkcs1_15.new(RSA.import_key(keys["private_pem"])).sign(digest)
    body = compact({**members, "sign": base64.b64encode(signature).decode()})
    if how == "flat":
        return "application/json", {}, body
    if how == "object":
        return "application/json", {}, '{"code":"1000","message":"ok","data":' + body + "}"
    sealed = pts_seal(body, keys["safecode"])
    headers = {"X-Transaction-Signature": pts_header(sealed, keys["transaction_secret"])}
    if how == "text":
        return "text/plain", headers, sealed
    return "application/json", headers, compact({"data": sealed})


def send_payatom(members, how, keys):
    message = members["order_id"] + text(members["received_amount"]) + members["status"]
    members = {**members, "post_hash": payatom_seal(message, keys["secret_key"])}
    if how == "json":
        return "application/json", {}, json.dumps(members)
    pairs = []
    for name, value in members.items():
        if isinstance(value, dict):
            pairs += [(f"{name}[{inner}]", text(v)) for inner, v in value.items()]
        elif value != []:
            pairs.append((name, text(value)))
    return "application/x-www-form-urlencoded", {}, urlencode(pairs)


def send(do):
    members, how, keys = do["members"], do["how"], do["keys"]
    if do["provider"] == "ptop":
        kind, headers, body = send_ptop(members, how, keys["the_signature"])
    elif do["provider"] == "pts":
        kind, headers, body = send_pts(members, how, do["signed"], keys)
    else:
        kind, headers, body = send_payatom(members, how, keys)
    return {"type": kind, "headers": headers, "body": body}


def check_pts(do, body, keys):
    sealed = body
    if body.startswith("{"):
        sealed, members = None, literals(body)
        if "sign" not in members:
            members = members["data"]
            sealed = members if isinstance(members, str) else None
    if sealed is not None:
        covered = body if do.get("whole") else sealed
        if "header" in do and not hmac.compare_digest(do["header"], pts_header(covered, keys["transaction_secret"])):
            return False
        members = literals(pts_open(sealed, keys["safecode"]))
    digest = SHA256.new(pts_text(members, do["signed"], keys["safecode"]).encode())
    try:
        pkcs1_15.new(RSA.import_key(keys["public_pem"])).verify(digest, base64.b64decode(members["sign"], validate=True))
    except ValueError:
        return False
    return True


def check(do):
    what, body, keys = do["what"], do["body"], do["keys"]
    if what == "pts":
        return check_pts(do, body, keys)
    if what == "ptop-header":
        return hmac.compare_digest(do["header"], hex_hmac(keys["the_signature"], body))
    members = literals(body)
    if what == "payatom":
        message = "".join(text(members[name]) for name in do["signed"])
        return payatom_matches(members["post_hash"], message, keys["secret_key"])
    if what == "payatom-reconcile":
        message = members["pid"] + keys["secret_key"] + members["date"]
        return hmac.compare_digest(members["signature"], hashlib.sha256(message.encode()).hexdigest())
    if what == "ptop-payout":
        message = "|".join(members[name] for name in ("website_id", "secret_key", "reviverEmail", "amount"))
        return hmac.compare_digest(members["signature"], hex_hmac(keys["the_signature"], message))
    raise ValueError("nothing known to check: " + what)


print(json.dumps([{"ok": check(do)} if "what" in do else send(do) for do in json.load(sys.stdin)]))
