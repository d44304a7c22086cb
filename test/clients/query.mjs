// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Runs statements through node-postgres. Standard input holds one JSON object,
//
//   {"url": "postgres://…", "ca": "PEM or empty", "statements":
//     [{"text": "select $1::int", "values": [1], "name": "s1", "binary": true}]}
//
// and standard output gets an array with, for each statement, {"fields", "rows"}
// or {"error": {"code", "message", "hint", "detail"}}. Without values and
// name a statement goes by the simple protocol. A failure to connect is the only
// result then. Values of type Buffer are shown as hex.
import { text } from 'node:stream/consumers';
import pg from 'pg';

const input = JSON.parse(await text(process.stdin));

const failure = (e) => ({ error: { code: e.code ?? '', message: e.message, hint: e.hint ?? '', detail: e.detail ?? '' } });
const show = (v) => (Buffer.isBuffer(v) ? v.toString('hex') : v);
const table = (r) => ({ fields: r.fields.map((f) => f.name), rows: r.rows.map((row) => row.map(show)) });

// A URL's sslmode would replace the ssl object.
const client = new pg.Client({ connectionString: input.url, ssl: input.ca ? { ca: input.ca } : false });
client.on('error', () => {}); // it is the statement's error as well
const results = [];
try {
  await client.connect();
  for (const { text, values, name, binary } of input.statements) {
    try {
      const r = await client.query({ text, values, name, binary, rowMode: 'array' });
      results.push(Array.isArray(r) ? r.map(table) : table(r));
    } catch (e) {
      results.push(failure(e));
    }
  }
  await client.end();
} catch (e) {
  results.push(failure(e));
}
process.stdout.write(JSON.stringify(results));
