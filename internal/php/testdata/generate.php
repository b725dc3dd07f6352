<?php
// Writes the tables that the tests of package php are held against:
//
//     php internal/php/testdata/generate.php
//
// Needs PHP 8 on a 64-bit machine with its json extension, nothing else. The
// random cases come from a fixed seed, so a second run writes the same files.
// The first line of each file names the version of PHP that wrote it.
//
//   numbers.tsv     literal, (string) json_decode, json_encode(json_decode);
//                   INF where the value is infinite
//   reencode.jsonl  [body, dropped name, decoded to arrays, decoded to objects]
//                   null where the result is to be refused
//   names.tsv       name, name in $_POST; both percent-encoded, the second one
//                   empty where PHP drops the variable
//   queries.jsonl   [[[name, value], ...], query]; names and values
//                   percent-encoded
declare(strict_types=1);

const SEED = 20260131;

ini_set('precision', '14');
ini_set('serialize_precision', '-1');
if (PHP_INT_SIZE !== 8 || PHP_MAJOR_VERSION < 8) {
    fwrite(STDERR, "needs PHP 8 on a 64-bit machine\n");
    exit(1);
}
mt_srand(SEED);

function pick(array $from)
{
    return $from[mt_rand(0, count($from) - 1)];
}

function digits(int $n): string
{
    $s = '';
    while (strlen($s) < $n) {
        $s .= (string) mt_rand(0, 9);
    }
    return $s;
}

/** An integer's digits: no zero in front unless it is the only one. */
function whole(int $n): string
{
    return $n <= 1 ? (string) mt_rand(0, 9) : mt_rand(1, 9) . digits($n - 1);
}

// ---- numbers ----

function number_literals(): array
{
    $n = [
        '0', '-0', '0.0', '-0.0', '0.00', '0e0', '-0e0', '0E+5', '-0e-3', '0e999999', '0.0e-99999999999',
        '1', '-1', '10', '1.0', '1.10', '-1.50', '100.50', '100.5', '40000.0', '40000', '0.00001', '0.0001',
        '0.00010', '-0.0001', '-0.00001', '0.000099999999999999999', '0.00009999999999999', '0.000099999999999995',
        '1e3', '1E3', '1e+3', '1e-3', '1.5e300', '1e400', '-1e400', '1e-400', '-1e-400', '1e309', '1e308',
        '1.7976931348623157e308', '1.7976931348623158e308', '1.7976931348623159e308', '-1.7976931348623157e308',
        '179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880',
        '179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245490090389328944075868508455133942304583236903222948165808559332123347764797926204144723168738177180919299881250404026184124858368',
        '5e-324', '4.9406564584124654e-324', '4.9e-324', '2.4703282292062327e-324', '2.4703282292062328e-324', '2e-324', '3e-324',
        '1e-323', '2.2250738585072014e-308', '2.2250738585072011e-308', '2.2250738585072009e-308', '2.225073858507201e-308',
        '9223372036854775806', '9223372036854775807', '9223372036854775808', '9223372036854775809', '9223372036854775807.0',
        '-9223372036854775807', '-9223372036854775808', '-9223372036854775809', '-9223372036854775808.0',
        '18446744073709551615', '18446744073709551616', '10000000000000000000', '-10000000000000000000',
        '99999999999999999999', '123456789012345678901234567890', '1000000000000000000000000000000000000001',
        '100000000000000', '1000000000000000', '100000000000000.0', '1000000000000000.0', '10000000000000.0',
        '99999999999999.0', '99999999999999.4', '99999999999999.5', '99999999999999.6', '999999999999999.5', '9999999999999.95',
        '9007199254740991.0', '9007199254740992.0', '9007199254740993.0', '9007199254740993', '9007199254740994.0', '9007199254740995.0',
        '1000000000000.25', '1000000000000.75', '12345678901234567.0', '123456789012345678.0', '0.1', '0.2', '0.3', '0.30000000000000004',
        '0.1e1', '0.1e-1', '12.5e1', '125e-1', '1.25e2', '3.141592653589793', '2.718281828459045', '8.41e21', '2e22', '9.5e-5',
        '0.5', '0.25', '0.125', '4.35', '4.349999999999999', '1.005', '2.675', '1e23', '9.999999999999999e22', '8.5e15', '1.2e-10',
    ];
    foreach (['9223372036854775', '922337203685477580', '-922337203685477580'] as $prefix) {
        for ($i = 0; $i < 10; $i++) {
            $n[] = $prefix . $i;
            $n[] = $prefix . $i . '.0';
            $n[] = $prefix . $i . '9';
        }
    }

    // Powers of ten and what is just below and above, in several spellings.
    for ($e = -20; $e <= 22; $e++) {
        $plain = $e < 0 ? '0.' . str_repeat('0', -$e - 1) . '1' : '1' . str_repeat('0', $e);
        foreach ([$plain, "1e$e", "1.0e$e", "1.00E$e", sprintf('1e%+03d', $e), "-1e$e", "-$plain"] as $l) {
            $n[] = $l;
        }
        $n[] = $e < 0 ? $plain . '0' : $plain . '.0';
        for ($d = 12; $d <= 17; $d++) {
            foreach (['', '4', '49', '5', '50', '51', '6'] as $tail) {
                $n[] = '9.' . str_repeat('9', $d) . $tail . "e$e";
            }
            $n[] = '1.' . str_repeat('0', $d - 1) . "1e$e";
        }
    }

    // Halves at the fourteenth digit, exact in binary and not.
    for ($i = 0; $i < 80; $i++) {
        $n[] = whole(14) . '.5';
        $n[] = whole(13) . pick(['.25', '.75', '.05', '.15', '.50']);
        $n[] = whole(12) . pick(['.125', '.375', '.625', '.875', '.005']);
        $n[] = whole(14) . '5.0';
        $n[] = whole(14) . '50e0';
        $n[] = whole(1) . '.' . digits(13) . '5';
    }

    // Whole floats of 15 digits around such halves, zeros in front of them.
    foreach (['10', '168', '9', '12345678', '123456789012'] as $head) {
        for ($d = 0; $d <= 24; $d++) {
            $n[] = $head . str_repeat('0', 13 - strlen($head)) . sprintf('%02d', $d) . '.0';
        }
        $n[] = '-' . $head . str_repeat('0', 14 - strlen($head)) . '5.0';
        $n[] = $head . str_repeat('0', 14 - strlen($head)) . '5.5';
        $n[] = $head . str_repeat('0', 14 - strlen($head)) . '4.9';
        $n[] = $head . str_repeat('0', 13 - strlen($head)) . '5.0';
        $n[] = $head . str_repeat('0', 15 - strlen($head)) . '5.0';
        $n[] = $head . str_repeat('0', 12 - strlen($head)) . '0.5';
    }

    // 14 to 18 significant digits at any size.
    for ($i = 0; $i < 500; $i++) {
        $n[] = whole(1) . '.' . digits(mt_rand(13, 17)) . 'e' . mt_rand(-25, 25);
    }
    for ($i = 0; $i < 200; $i++) {
        $n[] = whole(1) . '.' . digits(mt_rand(13, 20)) . 'e' . mt_rand(-330, 307);
    }

    // Amounts.
    for ($i = 0; $i < 400; $i++) {
        $n[] = whole(mt_rand(1, 9)) . '.' . digits(mt_rand(1, 4)) . str_repeat('0', mt_rand(0, 3));
    }
    for ($i = 0; $i < 150; $i++) {
        $n[] = '0.' . str_repeat('0', mt_rand(0, 7)) . digits(mt_rand(1, 9));
    }

    // Powers of two: the gap to the next double below is half the one above,
    // which is where the shortest spelling is hardest to find.
    for ($e = -1074; $e <= 1023; $e += ($e > -80 && $e < 80) ? 1 : 3) {
        $n[] = sprintf('%.16e', 2.0 ** $e);
    }

    // Doubles of random bits, subnormals on their own.
    for ($i = 0; $i < 600; $i++) {
        $high = mt_rand(0, 0x7fefffff) | (mt_rand(0, 1) << 31);
        if ($i % 4 === 0) {
            $high &= 0x800fffff >> mt_rand(0, 12) | 0x80000000;
            $high &= 0x800fffff;
        }
        $value = unpack('E', pack('NN', $high, mt_rand(0, 0x7fffffff) << 1 | mt_rand(0, 1)))[1];
        $n[] = sprintf('%.16e', $value);
    }

    // Any shape up to 40 characters.
    for ($i = 0; $i < 1300; $i++) {
        $l = pick(['', '-']) . whole(mt_rand(1, pick([3, 10, 20, 39])));
        if (mt_rand(0, 2) > 0) {
            $l .= '.' . digits(mt_rand(1, 20));
        }
        if (mt_rand(0, 1) > 0) {
            $l .= pick(['e', 'E']) . pick(['', '+', '-']) . digits(mt_rand(1, 3));
        }
        if (strlen($l) <= 40) {
            $n[] = $l;
        }
    }
    return array_values(array_unique($n));
}

function write_numbers(): int
{
    $literals = number_literals();
    $out = '# PHP ' . PHP_VERSION . "\n";
    foreach ($literals as $l) {
        $v = json_decode($l, false, 512, JSON_THROW_ON_ERROR);
        $out .= is_infinite((float) $v) ? "$l\tINF\tINF\n" : "$l\t" . (string) $v . "\t" . json_encode($v) . "\n";
    }
    file_put_contents(__DIR__ . '/numbers.tsv', $out);
    return count($literals);
}

// ---- json_encode(json_decode()) ----

/** What the sender would have signed; null where PHP refuses to. */
function reencoded(string $body, string $drop, bool $arrays): ?string
{
    $v = json_decode($body, $arrays);
    if ($v === null) {
        return null;
    }
    if ($arrays) {
        unset($v[$drop]);
    } elseif (($drop[0] ?? '') !== "\0") {
        unset($v->{$drop});
    }
    $text = json_encode($v);
    return $text === false ? null : $text;
}

/** A JSON string of the text, its characters spelled in random ways. */
function random_quoted(string $text): string
{
    $out = '';
    foreach (mb_characters($text) as $c) {
        $escaped = substr(json_encode($c), 1, -1);
        $raw = json_encode($c, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_LINE_TERMINATORS);
        switch (mt_rand(0, 4)) {
            case 0:
                $out .= $escaped;
                break;
            case 1:
                if (strlen($c) === 1) {
                    $out .= sprintf(pick(['\u%04x', '\u%04X']), ord($c));
                } else {
                    $out .= preg_replace_callback('/\\\\u([0-9a-f]{4})/', fn ($m) => '\u' . strtoupper($m[1]), $escaped);
                }
                break;
            default:
                $out .= substr($raw, 1, -1);
        }
    }
    return '"' . $out . '"';
}

function mb_characters(string $text): array
{
    return $text === '' ? [] : preg_split('//u', $text, -1, PREG_SPLIT_NO_EMPTY);
}

const TEXTS = [
    '', 'a', 'paid', 'a/b', 'https://example.com/?a=b&c=d', '"', '\\', '\\/', '\\u0041', "\x7f", '<>&\'', "\u{2028}\u{2029}",
    "\u{e9}", "\u{430}\u{431}", "\u{1f600}", "\u{10ffff}", "\u{ffff}", "\u{fffd}", "\u{d7ff}\u{e000}", "\u{7ff}\u{800}", "\u{80}",
    "a\u{10000}b", "\n", "\t\r\n", "\x08\x0c", "\x00", "a\x00b", "\x1f", '100.50', '1e3', 'null', "\u{feff}x", '{"a":1}', '+ %2B',
];

const NAMES = [
    'a', 'b', 'id', 'amount', 'order_id', 'success', 'a b', 'a/b', '', "\u{e9}", "\u{1f600}", '"', '\\', '0', '1', '2', '3', '-1', '-5',
    '-0', '01', '00', '+1', '1.0', '1e0', ' 1', '10', '9223372036854775807', '9223372036854775808', '-9223372036854775808', "a\x00", 'Signature',
];

function space(): string
{
    return mt_rand(0, 3) > 0 ? '' : pick([' ', "\n", "\t", "\r\n  ", '  ']);
}

function random_value(int $depth): string
{
    switch (mt_rand(0, $depth > 0 ? 9 : 5)) {
        case 0:
        case 1:
            return random_quoted(pick(TEXTS));
        case 2:
            return pick(['true', 'false', 'null', '0', '-0', '-0.0', '[]', '{}', '[ ]', '{ }', '[{}]', '{"":{}}', '[[],{}]']);
        case 3:
            return pick(['', '-']) . whole(mt_rand(1, 18));
        case 4:
            return pick(['', '-']) . whole(mt_rand(1, 12)) . '.' . digits(mt_rand(1, 9));
        case 5:
            return pick(['', '-']) . whole(1) . '.' . digits(mt_rand(1, 17)) . pick(['e', 'E']) . pick(['', '+', '-']) . mt_rand(0, 30);
        case 6:
            $list = [];
            for ($i = mt_rand(0, 4); $i > 0; $i--) {
                $list[] = space() . random_value($depth - 1) . space();
            }
            return '[' . implode(',', $list) . ']';
        default:
            return '{' . implode(',', random_members($depth - 1)) . '}';
    }
}

function random_members(int $depth): array
{
    $names = [];
    if (mt_rand(0, 3) === 0) { // a list, perhaps with a gap or out of order
        $names = array_map('strval', range(0, mt_rand(0, 4)));
        switch (mt_rand(0, 4)) {
            case 0:
                unset($names[mt_rand(0, count($names) - 1)]);
                break;
            case 1:
                $names = array_reverse($names);
                break;
            case 2:
                $names[] = pick(NAMES);
        }
    } else {
        for ($i = mt_rand(0, 5); $i > 0; $i--) {
            $names[] = pick(NAMES);
        }
    }
    $members = [];
    foreach (array_unique($names, SORT_STRING) as $name) {
        $members[] = space() . random_quoted($name) . space() . ':' . space() . random_value($depth) . space();
    }
    return $members;
}

function reencode_cases(): array
{
    $cases = [];
    $signature = '"signature":"' . str_repeat('0f', 32) . '"';
    $drop = 'signature';

    // Every character that could be spelled in a special way, raw and escaped.
    for ($c = 0; $c < 0x180; $c++) {
        if ($c >= 0x20 && $c !== 0x22 && $c !== 0x5c) {
            $cases[] = ['{"v":"' . ($c < 0x80 ? chr($c) : chr(0xc0 | $c >> 6) . chr(0x80 | $c & 0x3f)) . '"}', $drop];
        }
        $cases[] = [sprintf('{"value":"\u%04X","\u%04x":1}', $c, $c ?: 1), $drop];
    }
    foreach (TEXTS as $t) {
        $cases[] = ['{"v":' . json_encode($t) . '}', $drop];
    }
    foreach (['"', '\\', '/', 'b', 'f', 'n', 'r', 't'] as $c) {
        $cases[] = ['{"v":"\\' . $c . '","\\' . $c . '":1}', $drop];
    }

    // The dropped member in every place, under every spelling, and absent.
    foreach (
        [
            '{}', '{ }', "{%}", "{ % }", '{%,"a":1}', '{"a":1,%}', '{"a":1,%,"b":2}', "{\n  \"a\" : 1 ,\n  % ,\n  \"b\" : 2\n}\n", '{"a":{%}}',
            '{"a":{%,"b":1},%}', '{"a":[{%}],%,"c":{}}', '{"0":1,%}', '{%,"0":1}', '{"0":1,%,"1":2}', '{"0":1,%,"2":2}', '{"1":1,%,"0":2}',
            '{"0":{"0":{"0":{}}},%,"1":{"0":[],"1":{"0":1,"1":2}}}', '{%,"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j","10":"k","11":"l"}',
            '{"success":true,"transaction_id":"T1","order_id":"O1","message":"Paid",%}', '{%,"success":true,"transaction_id":"T1","order_id":"O1"}',
            '{"success":true,%,"order_id":"O/1","message":"' . "\u{43e}\u{43f}\u{43b}\u{430}\u{442}\u{430}" . '"}', '{"Signature":1,"SIGNATURE":2," signature":3,%}',
        ] as $shape
    ) {
        foreach ([$signature, '"signature":null', '"signature" : {"signature":[1,{"a":"b"}]}', '"\u0073ignatur\u0065":""'] as $s) {
            $cases[] = [str_replace('%', $s, $shape), $drop];
        }
    }
    foreach (['', '0', '1', '-5', "\u{e9}", 'a/b', 'a"b', '9223372036854775808', '01'] as $name) {
        foreach (['{%:0}', '{%:0,"0x":1}', '{"0x":1,%:0,"1x":[]}'] as $shape) {
            $cases[] = [str_replace('%', json_encode($name), $shape), $name];
        }
    }
    $cases[] = ['{"0":"x","1":"y","2":"z"}', '0'];
    $cases[] = ['{"0":"x","1":"y","2":"z"}', '1'];
    $cases[] = ['{"0":"x","1":"y","2":"z"}', '2'];
    $cases[] = ['{"1":"x","0":"y","2":"z"}', '1'];
    $cases[] = ['{"x":"x","0":"y","1":"z"}', 'x'];

    // Names that look like integers, alone and in lists with and without gaps.
    foreach (NAMES as $name) {
        $cases[] = ['{"v":{' . json_encode($name) . ':1}}', $drop];
        $cases[] = ['{"v":{"0":"x",' . json_encode($name === '0' ? '00' : $name) . ':1}}', $drop];
    }
    foreach (['{"v":{"0":{},"1":[],"2":[{}]}}', '{"v":[[],[[]],[{}],{"a":{}},{"a":[]}]}', '{"v":{"":{"":{"":{}}}}}', '{"v":{"0":0,"2":2}}', '{"v":{"1":1,"2":2}}'] as $body) {
        $cases[] = [$body, $drop];
    }

    // Numbers where the two ways to write a float differ or an integer ends.
    foreach (
        [
            '100.0', '100.50', '-0', '-0.0', '0.0', '1e14', '1e15', '1e16', '1e17', '1e18', '1e25', '1E25', '0.0001', '0.00001', '1e-7', '5e-324',
            '1.7976931348623157e308', '9223372036854775807', '-9223372036854775808', '9223372036854775807.0', '0.1', '0.30000000000000004',
            '123456789012345678.0', '12345678901234567.0', '9007199254740993.0', '1e-400', '1e400', '-1e400',
        ] as $l
    ) {
        $cases[] = ['{"v":' . $l . '}', $drop];
        $cases[] = ['{"v":[' . $l . ',{"a":' . $l . '}],"signature":1}', $drop];
        $cases[] = ['{"a":1,"signature":' . $l . ',"b":2}', $drop];
    }

    // Integers that PHP would round: refused, unless they are dropped.
    foreach (['9223372036854775808', '-9223372036854775809', '18446744073709551616', '100000000000000000000'] as $l) {
        $cases[] = ['{"v":' . $l . '}', $drop, true];
        $cases[] = ['{"v":{"a":[' . $l . ']},"signature":1}', $drop, true];
        $cases[] = ['{"a":1,"signature":{"a":[' . $l . ']},"b":2}', $drop];
        $cases[] = ['{"signature":' . $l . '}', $drop];
    }

    // Names beginning with NUL, half surrogate pairs, depth.
    foreach (['{"\u0000a":1}', '{"a\u0000":1}', '{"v":{"\u0000":1}}', '{"signature":{"\u0000a":1}}', '{"\u0000signature":1}'] as $body) {
        $cases[] = [$body, $drop];
    }
    foreach (['\ud800', '\udc00', '\ud800x', '\ud800\u0041', '\udc00\ud800', '\ud83d\ude00', '\uD83D\uDE00', '\udbff\udfff', '\ud800\udc00'] as $t) {
        $cases[] = ['{"v":"' . $t . '"}', $drop];
        $cases[] = ['{"signature":"' . $t . '"}', $drop];
    }
    foreach ([63, 64, 510, 511] as $d) {
        $cases[] = ['{"v":' . str_repeat('[', $d) . str_repeat(']', $d) . '}', $drop];
        $cases[] = [str_repeat('{"0":', $d) . '{}' . str_repeat('}', $d), $drop];
    }

    // Not JSON.
    foreach (
        [
            '', ' ', '{', '}', '{"a"}', '{"a":}', '{"a":1,}', '{,}', '{"a":1 "b":2}', '{"a":1}}', '{"a":1}{}', '{a:1}', "{'a':1}", '{"a":01}', '{"a":1.}',
            '{"a":.5}', '{"a":+1}', '{"a":-}', '{"a":1e}', '{"a":[1,]}', '{"a":[1}', '{"a":"\x"}', '{"a":"\u12g4"}', '{"a":"\u12"}', '{"a":"b}', "{\"a\":\"\n\"}",
            "{\"a\":\"\x00\"}", "\u{feff}{}", "{}\x00", "\x00{}", '{"a":tru}', '{"a":nul}', '{"a":1}//', '{"a":NaN}', '{"a":Infinity}', '{"a":0x10}', "{\"a\":1\x0b}", '{"a":"\\',
            '{"a":"\\"}', '{"a":1:2}', '{"a"::1}', '{1:2}', '{null:1}', '{"a":--1}', '{"a":1e+}', "{\u{a0}}",
        ] as $body
    ) {
        $cases[] = [$body, $drop];
    }

    // Random documents, the signature in a random place.
    for ($i = 0; $i < 1000; $i++) {
        $members = random_members(3);
        if (mt_rand(0, 4) > 0) {
            array_splice($members, mt_rand(0, count($members)), 0, [space() . random_quoted('signature') . space() . ':' . space() . random_value(1) . space()]);
        }
        $cases[] = [space() . '{' . ($members ? implode(',', $members) : space()) . '}' . space(), $drop];
    }
    return $cases;
}

function write_reencode(): int
{
    $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
    $out = json_encode(['php' => PHP_VERSION]) . "\n";
    $count = 0;
    foreach (reencode_cases() as $case) {
        [$body, $drop] = $case;
        $refused = $case[2] ?? false;
        $row = [$body, $drop, $refused ? null : reencoded($body, $drop, true), $refused ? null : reencoded($body, $drop, false)];
        $out .= json_encode($row, $flags) . "\n";
        $count++;
    }
    file_put_contents(__DIR__ . '/reencode.jsonl', $out);
    return $count;
}

// ---- forms ----

function random_bytes_text(int $n): string
{
    $s = '';
    for (; $n > 0; $n--) {
        $s .= mt_rand(0, 2) > 0 ? pick(['a', 'B', '7', '_', '-', '.', ' ', '~', ']', '+']) : chr(mt_rand(0, 255));
    }
    return $s;
}

function write_names(): int
{
    $names = [
        'a', 'order_id', 'order.id', 'order id', ' a', '   a', ' ', '   ', '.', '. .', ' .a', '. a', "\0", "\0a", "a\0", "a\0b", " \0a", "a.\0.b", ']', 'a]', ']a',
        'GLOBALS', 'this', '_POST', '__Host-a', '__Secure-a', '0', '5', '-5', '05', "\ta", "\na", "a\tb", "\u{a0}a", "\u{e9}.", 'a&b=c', 'a=b', '=', '&', '%41', 'a+b', '+a',
        'a;b', '"', "'", '{}', 'a..b', 'a  ', 'A.B c', "\xff.", "\x7f", 'signature', 'the.signature', '9223372036854775808',
    ];
    for ($c = 0; $c < 256; $c++) {
        $names[] = chr($c);
        $names[] = chr($c) . 'x';
        $names[] = 'x' . chr($c);
        $names[] = ' x.' . chr($c) . ' y';
    }
    for ($i = 0; $i < 400; $i++) {
        $names[] = random_bytes_text(mt_rand(1, 8));
    }
    $names = array_values(array_filter(array_unique($names, SORT_STRING), fn ($n) => !str_contains($n, '[')));
    $out = '# PHP ' . PHP_VERSION . "\n";
    foreach ($names as $name) {
        parse_str(rawurlencode($name) . '=v', $post);
        $key = array_key_first($post);
        $out .= rawurlencode($name) . "\t" . ($key === null ? '' : rawurlencode((string) $key)) . "\n";
    }
    file_put_contents(__DIR__ . '/names.tsv', $out);
    return count($names);
}

function write_queries(): int
{
    $arrays = [[], ['' => ''], ['' => 'x'], ['a' => ''], ['a' => '1', 'b' => '2'], ['a b~' => "~-_.!*'() +/\0\xff\x7f"], ['5' => 'x', 'a[b]' => 'y', '05' => 'z']];
    for ($c = 0; $c < 256; $c++) {
        $arrays[] = ['v' => chr($c)];
        $arrays[] = [chr($c) . 'n' => 'a' . chr($c) . 'b'];
    }
    for ($i = 0; $i < 250; $i++) {
        $a = [];
        for ($k = mt_rand(1, 5); $k > 0; $k--) {
            $a[random_bytes_text(mt_rand(0, 5))] = mt_rand(0, 3) > 0 ? random_bytes_text(mt_rand(0, 10)) : pick(TEXTS);
        }
        $arrays[] = $a;
    }
    $out = json_encode(['php' => PHP_VERSION]) . "\n";
    foreach ($arrays as $a) {
        $pairs = [];
        foreach ($a as $name => $value) {
            $pairs[] = [rawurlencode((string) $name), rawurlencode($value)];
        }
        $out .= json_encode([$pairs, http_build_query($a)], JSON_UNESCAPED_SLASHES) . "\n";
    }
    file_put_contents(__DIR__ . '/queries.jsonl', $out);
    return count($arrays);
}

printf("numbers %d\nreencode %d\nnames %d\nqueries %d\n", write_numbers(), write_reencode(), write_names(), write_queries());
