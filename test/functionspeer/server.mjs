// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Functions of Google's Functions Framework behind one host, as Cloud Functions
// has them: the first segment of a path names the function. The host demands a
// bearer token, as Google's does. It listens on two free loopback ports, one
// as the service and one for the test that runs it, prints one line of JSON with
// both, and ends when its standard input does.
import { createServer } from 'node:http';
import { http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { functions } from './functions.mjs';

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();

// The framework prints what functions throw.
console.error = () => {};

const servers = new Map();
for (const [name, f] of Object.entries(functions)) {
  http(name, f);
  servers.set(name, getTestServer(name));
}

const tokens = new Set();
const requests = [];
const keep = 1 << 20;

const service = createServer((request, response) => {
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const entry = { method: request.method, path: request.url, headers: request.headers, token: token === undefined ? 'none' : tokens.has(token) ? 'expected' : 'other', body: '', status: 0 };
  requests.push(entry);
  response.on('close', () => { entry.status = response.headersSent ? response.statusCode : 0; });
  if (entry.token !== 'expected') {
    response.writeHead(401, { 'content-type': 'text/html; charset=UTF-8', 'www-authenticate': 'Bearer error="invalid_token"' });
    response.end('<html><head><title>401 Unauthorized</title></head><body><h1>Error: Unauthorized</h1></body></html>');
    return;
  }
  const [, name, rest] = /^\/([^/?]*)(.*)$/s.exec(request.url) ?? [];
  const server = servers.get(name);
  if (!server) {
    response.writeHead(404, { 'content-type': 'text/html; charset=UTF-8' }).end('<html><body><h1>Error: Page not found</h1></body></html>');
    return;
  }
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  // The log and the framework read the same pieces.
  const push = request.push;
  request.push = function pushed(chunk, encoding) {
    if (chunk && entry.body.length < keep) entry.body += Buffer.from(chunk).toString('utf8').slice(0, keep - entry.body.length);
    return push.call(this, chunk, encoding);
  };
  server.emit('request', request, response);
});

const actions = {
  accept: ({ token }) => { tokens.add(token); return {}; },
  requests: () => ({ requests }),
  forget: () => { requests.length = 0; return {}; },
};

const control = createServer(async (request, response) => {
  let raw = '';
  for await (const part of request) raw += part;
  const action = actions[request.url.slice(1)];
  response.writeHead(action ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(action ? action(raw ? JSON.parse(raw) : {}) : {}));
});

const listen = (server) => new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(`http://127.0.0.1:${server.address().port}`)));
process.stdout.write(`${JSON.stringify({ url: await listen(service), control: await listen(control) })}\n`);
