<?php
// Sends callbacks as a provider in PHP would, and checks requests and callbacks
// as a merchant or a provider in PHP would. It reads a list of instructions as
// JSON from standard input and prints a list of results.

function text($value): string
{
    return $value === null ? '' : (string)$value; // a float has 14 digits
}

// PTS: the signed members by name, and the safecode.
function pts_text(array $members, array $names, string $safecode): string
{
    sort($names, SORT_STRING);
    $text = '';
    foreach ($names as $name) {
        $text .= $name . '=' . text($members[$name]) . '&';
    }
    return $text . $safecode;
}

function pts_seal(string $plain, string $safecode): string
{
    return base64_encode(openssl_encrypt($plain, 'aes-256-ecb', $safecode, OPENSSL_RAW_DATA));
}

function pts_open(string $sealed, string $safecode)
{
    return openssl_decrypt(base64_decode($sealed, true), 'aes-256-ecb', $safecode, OPENSSL_RAW_DATA);
}

function pts_header(string $body, string $secret): string
{
    return base64_encode(hash_hmac('sha256', $body, $secret, true));
}

// Payatom: IV, MAC and ciphertext around a hex MD5.
function payatom_seal(string $text, string $secret): string
{
    $key = hash('sha256', $secret, true);
    $iv = random_bytes(16);
    $sealed = openssl_encrypt(md5($text . $secret), 'aes-256-cbc', $key, OPENSSL_RAW_DATA, $iv);
    return base64_encode($iv . hash_hmac('sha256', $sealed . $iv, $key, true) . $sealed);
}

function payatom_matches(string $hash, string $text, string $secret): bool
{
    $key = hash('sha256', $secret, true);
    $blob = base64_decode($hash, true);
    $iv = substr($blob, 0, 16);
    $sealed = substr($blob, 48);
    if (!hash_equals(hash_hmac('sha256', $sealed . $iv, $key, true), substr($blob, 16, 32))) {
        return false;
    }
    return hash_equals(md5($text . $secret), (string)openssl_decrypt($sealed, 'aes-256-cbc', $key, OPENSSL_RAW_DATA, $iv));
}

function json($value, int $flags = 0): string
{
    return json_encode($value, $flags | JSON_THROW_ON_ERROR);
}

function send(array $do): array
{
    $members = $do['members'];
    $keys = $do['keys'];
    $headers = [];
    $type = 'application/json';
    switch ($do['provider']) {
        case 'ptop':
            $sign = fn (string $text): string => hash_hmac('sha256', $text, $keys['the_signature']);
            switch ($do['how']) {
                case 'header':
                    $body = json($members);
                    $headers['X-Signature'] = $sign($body);
                    break;
                case 'spliced':
                    $body = json($members, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
                    $body = substr($body, 0, -1) . ',"signature":"' . $sign($body) . '"}';
                    break;
                case 'reencoded': // what is sent is laid out for people
                    $signature = $sign(json($members));
                    $body = json($members + ['signature' => $signature], JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE);
                    break;
                case 'blanked':
                    $signature = $sign(json(['signature' => ''] + $members));
                    $body = json(['signature' => $signature] + $members);
                    break;
                case 'form':
                    $type = 'application/x-www-form-urlencoded';
                    $body = http_build_query($members);
                    $body .= '&signature=' . $sign($body);
                    break;
            }
            break;
        case 'pts':
            openssl_sign(pts_text($members, $do['signed'], $keys['safecode']), $signature, $keys['private_pem'], OPENSSL_ALGO_SHA256);
            $body = json($members + ['sign' => base64_encode($signature)]);
            if ($do['how'] === 'text' || $do['how'] === 'data') {
                $body = pts_seal($body, $keys['safecode']);
                $headers['X-Transaction-Signature'] = pts_header($body, $keys['transaction_secret']);
            }
            if ($do['how'] === 'text') {
                $type = 'text/plain';
            } elseif ($do['how'] === 'data') {
                $body = json(['data' => $body]);
            } elseif ($do['how'] === 'object') {
                $body = '{"code":"1000","message":"ok","data":' . $body . '}';
            }
            break;
        case 'payatom':
            $text = $members['order_id'] . text($members['received_amount']) . $members['status'];
            $members['post_hash'] = payatom_seal($text, $keys['secret_key']);
            $body = json($members);
            if ($do['how'] === 'form') {
                $type = 'application/x-www-form-urlencoded';
                $body = http_build_query($members);
            }
            break;
    }
    return ['type' => $type, 'headers' => (object)$headers, 'body' => $body];
}

function check(array $do): bool
{
    $keys = $do['keys'];
    $body = $do['body'];
    switch ($do['what']) {
        case 'pts': // a request, an answer or a callback, in any shape
            $sealed = $body;
            if ($body[0] === '{') {
                $members = json_decode($body, true);
                $sealed = null;
                if (!isset($members['sign'])) {
                    $members = $members['data'];
                    $sealed = is_string($members) ? $members : null;
                }
            }
            if ($sealed !== null) {
                $covered = empty($do['whole']) ? $sealed : $body;
                if (isset($do['header']) && !hash_equals(pts_header($covered, $keys['transaction_secret']), $do['header'])) {
                    return false;
                }
                $members = json_decode((string)pts_open($sealed, $keys['safecode']), true);
            }
            $signature = base64_decode($members['sign'], true);
            return openssl_verify(pts_text($members, $do['signed'], $keys['safecode']), $signature, $keys['public_pem'], OPENSSL_ALGO_SHA256) === 1;
        case 'payatom': // these members are hashed
            $members = json_decode($body, true);
            $text = implode('', array_map(fn ($name) => text($members[$name]), $do['signed']));
            return payatom_matches($members['post_hash'], $text, $keys['secret_key']);
        case 'payatom-reconcile':
            $members = json_decode($body, true);
            return hash_equals(hash('sha256', $members['pid'] . $keys['secret_key'] . $members['date']), $members['signature']);
        case 'ptop-payout':
            $members = json_decode($body, true);
            $text = $members['website_id'] . '|' . $members['secret_key'] . '|' . $members['reviverEmail'] . '|' . $members['amount'];
            return hash_equals(hash_hmac('sha256', $text, $keys['the_signature']), $members['signature']);
        case 'ptop-header':
            return hash_equals(hash_hmac('sha256', $body, $keys['the_signature']), $do['header']);
        case 'ptop-reencoded':
            $members = json_decode($body, true);
            $signature = $members['signature'];
            unset($members['signature']);
            return hash_equals(hash_hmac('sha256', json($members), $keys['the_signature']), $signature);
    }
    throw new InvalidArgumentException('nothing known to check: ' . $do['what']);
}

$out = [];
foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as $do) {
    $out[] = isset($do['what']) ? ['ok' => check($do)] : send($do);
}
echo json($out);
