<?php
// A shop behind `payack listen`, with PHP alone:
//
//   PAYACK_WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:3000 shop.php
//
// verify does what (new \StandardWebhooks\Webhook($secret))->verify($body, $headers) of
// the package standard-webhooks/standard-webhooks does. Use that if you can install it.
declare(strict_types=1);

const TOLERANCE = 5 * 60; // seconds

/** Returns the event, or null for what isn't signed. */
function verify(string $body): ?array
{
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $sent = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (!ctype_digit($sent) || abs(time() - (int) $sent) > TOLERANCE) {
        return null;
    }
    $key = base64_decode(substr((string) getenv('PAYACK_WEBHOOK_SECRET'), strlen('whsec_')), true);
    if ($key === false || $key === '') {
        throw new RuntimeException('PAYACK_WEBHOOK_SECRET is missing');
    }
    $want = base64_encode(hash_hmac('sha256', "$id.$sent.$body", $key, true));
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) {
        if (str_starts_with($signature, 'v1,') && hash_equals($want, substr($signature, 3))) {
            return json_decode($body, true, 512, JSON_THROW_ON_ERROR);
        }
    }
    return null;
}

/**
 * Stands for your database. There, mark the order as paid in the transaction that
 * credits it, unless it is paid already. Here one file does both: it exists whole, or
 * not at all.
 */
function settle(string $orderId, string $text): void
{
    $folder = getenv('SETTLED') ?: 'settled';
    if (!is_dir($folder)) {
        @mkdir($folder);
    }
    $temporary = "$folder/." . bin2hex(random_bytes(16));
    $settled = "$folder/" . rawurlencode($orderId);
    try {
        $file = @fopen($temporary, 'x');
        if ($file === false || @fwrite($file, $text) !== strlen($text) || !@fflush($file) || !@fsync($file) || !@fclose($file)) {
            throw new RuntimeException("nothing can be written to $folder");
        }
        if (!@link($temporary, $settled) && !file_exists($settled)) { // otherwise an earlier attempt did it
            throw new RuntimeException("nothing can be linked in $folder");
        }
    } finally {
        @unlink($temporary);
    }
}

/**
 * Returns what was paid for an order: the amount and the currency, or null if the event
 * doesn't say that it was paid. Ptop's webhooks have no amount, so the order's counts.
 * payack has asked Ptop whether it was paid only if confirm is configured.
 */
function paid(string $provider, array $event, array $order): ?array
{
    return match (true) {
        $provider === 'pts' && $event['status'] === '2000' => [$event['accept_amount'], $event['accept_currency']],
        $provider === 'payatom' && in_array($event['status'], ['Approved', 'Late Approved'], true) => [$event['received_amount'], null],
        $provider === 'ptop' && $event['success'] => [$order['amount'] ?? null, $order['currency'] ?? null],
        default => null,
    };
}

/** Returns a decimal number in one form, 100.50 and 100.5 being one amount, or null. */
function plain(?string $amount): ?string
{
    $is = preg_match('/^0*([0-9]+?)(?:\.([0-9]*?)0*)?$/D', $amount ?? '', $match);
    return $is === 1 ? $match[1] . '.' . ($match[2] ?? '') : null;
}

/**
 * Settles an order of yours that was paid in full. Everything else (a withdrawal,
 * another amount) is acknowledged too, but left for a person.
 */
function credit(string $provider, array $event): void
{
    // The open orders by id. The file stands for your table of orders.
    $orders = json_decode((string) file_get_contents(getenv('ORDERS') ?: __DIR__ . '/../orders.json'), true, 512, JSON_THROW_ON_ERROR);
    $order = $orders[$event['order_id']] ?? [];
    $got = paid($provider, $event, $order);
    if ($got === null) {
        return;
    }
    [$amount, $currency] = $got;
    if (($order['provider'] ?? null) !== $provider || plain($amount) === null
        || plain($amount) !== plain($order['amount']) || $currency !== ($order['currency'] ?? null)) {
        error_log('not credited: ' . json_encode([$provider, $event['order_id'], $amount, $currency]));
        return;
    }
    settle($event['order_id'], trim("{$order['amount']} " . ($order['currency'] ?? '')) . "\n");
}

try {
    $line = verify((string) file_get_contents('php://input')); // over the exact bytes, before they are parsed
    if ($line === null) {
        http_response_code(401);
        return;
    }
    credit($line['provider'], $line['event']);
    http_response_code(204);
} catch (Throwable $e) {
    error_log((string) $e);
    http_response_code(500); // payack tries again
}
