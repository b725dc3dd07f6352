// A shop behind `payack listen`, with the library of Standard Webhooks:
//
//   npm install
//   PAYACK_WEBHOOK_SECRET=whsec_… node shop.js
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Webhook } = require('standardwebhooks');

const webhook = new Webhook(process.env.PAYACK_WEBHOOK_SECRET);
const settled = process.env.SETTLED || 'settled';
fs.mkdirSync(settled, { recursive: true });

// settle stands for your database: insert the id into a table where it is unique, in
// the transaction that settles the order. Here a file is both.
function settle(id, text) {
  try {
    fs.writeFileSync(path.join(settled, id), text, { flag: 'wx' });
  } catch (err) {
    if (err.code !== 'EEXIST') throw err; // otherwise an attempt before did it
  }
}

// What was paid; Ptop's webhooks name no amount.
function paid(provider, event) {
  if (provider === 'pts' && event.status === '2000') return `${event.accept_amount} ${event.accept_currency}`;
  if (provider === 'payatom' && ['Approved', 'Late Approved'].includes(event.status)) return event.received_amount;
  if (provider === 'ptop' && event.success) return 'paid';
  return null;
}

http.createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    let line;
    try {
      line = webhook.verify(Buffer.concat(chunks), req.headers); // the exact bytes, before anything is read of them
    } catch {
      res.writeHead(401).end();
      return;
    }
    try {
      const amount = paid(line.provider, line.event);
      if (amount !== null) settle(req.headers['webhook-id'], `${line.event.order_id} ${amount}\n`);
      res.writeHead(204).end();
    } catch (err) {
      console.error(err);
      res.writeHead(500).end(); // payack tries again
    }
  });
}).listen(Number(process.env.PORT || 3000), '127.0.0.1');
