<?php
// A shop behind `payack listen`, with PHP alone:
//
//   PAYACK_WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:3000 shop.php
//
// verify is what (new \StandardWebhooks\Webhook($secret))->verify($body, $headers) of
// the package standard-webhooks/standard-webhooks does; use that where you can
// install it.
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
 * Stands for your database: insert the id into a table where it is unique, in the
 * transaction that settles the order. Here a file is both.
 */
function settle(string $id, string $text): void
{
    $folder = getenv('SETTLED') ?: 'settled';
    if (!is_dir($folder)) {
        @mkdir($folder);
    }
    $file = @fopen("$folder/$id", 'x');
    if ($file === false) {
        if (file_exists("$folder/$id")) {
            return; // an attempt before did it
        }
        throw new RuntimeException("nothing can be written to $folder");
    }
    fwrite($file, $text);
    fclose($file);
}

/** Returns what was paid; Ptop's webhooks name no amount. */
function paid(string $provider, array $event): ?string
{
    return match (true) {
        $provider === 'pts' && $event['status'] === '2000' => "{$event['accept_amount']} {$event['accept_currency']}",
        $provider === 'payatom' && in_array($event['status'], ['Approved', 'Late Approved'], true) => $event['received_amount'],
        $provider === 'ptop' && $event['success'] => 'paid',
        default => null,
    };
}

try {
    $line = verify((string) file_get_contents('php://input')); // the exact bytes, before anything is read of them
    if ($line === null) {
        http_response_code(401);
        return;
    }
    $amount = paid($line['provider'], $line['event']);
    if ($amount !== null) {
        settle($_SERVER['HTTP_WEBHOOK_ID'], "{$line['event']['order_id']} $amount\n");
    }
    http_response_code(204);
} catch (Throwable $e) {
    error_log((string) $e);
    http_response_code(500); // payack tries again
}
