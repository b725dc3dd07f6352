// A shop behind `payack listen`, with the library of Standard Webhooks:
//
//   npm install
//   PAYACK_WEBHOOK_SECRET=whsec_… node shop.js
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Webhook } = require('standardwebhooks');

const webhook = new Webhook(process.env.PAYACK_WEBHOOK_SECRET);
const settled = process.env.SETTLED || 'settled';
fs.mkdirSync(settled, { recursive: true });

// The open orders by id. The file stands for your table of orders.
const orders = new Map(Object.entries(JSON.parse(fs.readFileSync(process.env.ORDERS || path.join(__dirname, '../orders.json')))));

// settle stands for your database. There, mark the order as paid in the transaction
// that credits it, unless it is paid already. Here one file does both: it exists whole,
// or not at all.
function settle(orderId, text) {
  const temporary = path.join(settled, `.${randomUUID()}`);
  try {
    const file = fs.openSync(temporary, 'wx');
    try {
      fs.writeFileSync(file, text);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.linkSync(temporary, path.join(settled, encodeURIComponent(orderId)));
  } catch (err) {
    if (err.code !== 'EEXIST') throw err; // otherwise an earlier attempt did it
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

// What was paid for an order, or null if the event doesn't say that it was paid. Ptop's
// webhooks have no amount, so the order's counts. payack has asked Ptop whether it was
// paid only if confirm is configured.
function paid(provider, event, order) {
  if (provider === 'pts' && event.status === '2000') return { amount: event.accept_amount, currency: event.accept_currency };
  if (provider === 'payatom' && ['Approved', 'Late Approved'].includes(event.status)) return { amount: event.received_amount };
  if (provider === 'ptop' && event.success) return order;
  return null;
}

// A decimal number in one form: 100.50 and 100.5 are one amount.
function plain(amount) {
  const [, whole, fraction = ''] = /^0*(\d+?)(?:\.(\d*?)0*)?$/.exec(amount) || [];
  return whole === undefined ? null : `${whole}.${fraction}`;
}

// credit settles an order of yours that was paid in full. Everything else (a withdrawal,
// another amount) is acknowledged too, but left for a person.
function credit({ provider, event }) {
  const order = orders.get(event.order_id);
  const got = paid(provider, event, order || {});
  if (got === null) return;
  if (!order || order.provider !== provider || plain(got.amount) === null
    || plain(got.amount) !== plain(order.amount) || got.currency !== order.currency) {
    console.error('not credited:', JSON.stringify({ provider, order_id: event.order_id, ...got }));
    return;
  }
  settle(event.order_id, `${order.amount} ${order.currency || ''}`.trim() + '\n');
}

http.createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    let line;
    try {
      line = webhook.verify(Buffer.concat(chunks), req.headers); // over the exact bytes, before they are parsed
    } catch {
      res.writeHead(401).end();
      return;
    }
    try {
      credit(line);
      res.writeHead(204).end();
    } catch (err) {
      console.error(err);
      res.writeHead(500).end(); // payack tries again
    }
  });
}).listen(Number(process.env.PORT || 3000), '127.0.0.1');
