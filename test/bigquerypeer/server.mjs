// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// A BigQuery REST front over DuckDB, for tests; see README.md. It listens on two
// free loopback ports, one as the service and one for the test that runs it,
// prints one line of JSON with both, and ends when its standard input does.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { control } from './control.mjs';
import { ApiError, invalid, notFound } from './errors.mjs';
import { discovery, route } from './methods.mjs';
import { upload } from './upload.mjs';
import { World } from './world.mjs';

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();

const world = await World.create();
const requests = [];
const faults = [];

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function inflate(raw) {
  try {
    return gunzipSync(raw);
  } catch {
    throw new ApiError(400, 'parseError', 'Parse Error');
  }
}

/** bearer is the token that a request carries where Google looks for one. */
function bearer(request, url) {
  const header = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return header ?? url.searchParams.get('access_token') ?? url.searchParams.get('oauth_token') ?? undefined;
}

function fault(path) {
  const f = faults.find((x) => x.next > 0 && path.includes(x.path ?? ''));
  if (f) f.next--;
  return f;
}

function segments(path) {
  return path.split('/').map((s) => {
    try {
      return decodeURIComponent(s);
    } catch {
      throw invalid('The path is not validly encoded');
    }
  });
}

async function serve(request, url, entry, raw) {
  const root = `http://${request.headers.host}`;
  if (/^\/(\$discovery|discovery\/v1\/apis\/bigquery\/v2)\/rest$/.test(url.pathname)) return discovery(root);
  const token = bearer(request, url);
  const identity = world.identities.get(token);
  entry.token = token === undefined ? 'none' : identity ? 'expected' : 'other';
  entry.identity = identity;
  if (!identity) throw new ApiError(401, 'authError', 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.');
  // The service lets this header name the method, so a gateway must not let it through.
  const verb = (request.method === 'POST' && request.headers['x-http-method-override']?.toUpperCase()) || request.method;
  const path = segments(url.pathname.slice(1));
  if (path.includes('upload')) return upload({ world, verb, path, url, root, headers: request.headers, raw, identity, entry });
  if (path[0] !== 'bigquery' || path[1] !== 'v2') throw notFound('path', url.pathname);
  const { method, params } = route(verb, path.slice(2));
  entry.method_id = method.id;
  for (const name of url.searchParams.keys()) {
    const values = url.searchParams.getAll(name);
    params[name] ??= values.length > 1 ? values : values[0];
  }
  let parsed = {};
  if (raw.length) {
    try {
      parsed = JSON.parse(raw);
    } catch {
      throw new ApiError(400, 'parseError', 'Parse Error');
    }
  }
  return method.handler({ world, params, body: parsed, headers: request.headers, identity });
}

function send(request, response, status, answer, cut) {
  if (answer === undefined) {
    response.writeHead(204).end();
    return;
  }
  let out = Buffer.from(JSON.stringify(answer));
  const headers = { 'content-type': 'application/json; charset=UTF-8', vary: 'Origin, X-Origin, Referer' };
  if (out.length > 512 && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
    out = gzipSync(out, { level: 1 });
    headers['content-encoding'] = 'gzip';
  }
  headers['content-length'] = out.length;
  response.writeHead(status, headers);
  if (cut) response.write(out.subarray(0, Math.floor(out.length / 2)), () => request.socket.destroy());
  else response.end(out);
}

const api = createServer(async (request, response) => {
  const entry = { method: request.method, path: request.url, headers: request.headers, token: 'none', status: 0, body: '' };
  requests.push(entry);
  try {
    const url = new URL(request.url, 'http://loopback');
    let raw = await body(request);
    if (request.headers['content-encoding'] === 'gzip') raw = inflate(raw);
    entry.body = raw.toString('utf8').slice(0, 1 << 20);
    entry.bytes = createHash('sha256').update(raw).digest('hex');
    const f = fault(url.pathname);
    if (f?.body !== undefined) {
      entry.status = f.status || 200;
      response.writeHead(entry.status, { 'content-type': f.contentType ?? 'application/json; charset=UTF-8' }).end(f.body);
      return;
    }
    if (f?.status) throw new ApiError(f.status, f.reason ?? 'backendError', f.message ?? 'Error encountered during execution. Retrying may solve the problem.');
    const answer = await serve(request, url, entry, raw);
    entry.status = answer?.status_ ?? (answer === undefined ? 204 : 200);
    if (answer?.raw_) response.writeHead(entry.status, answer.headers).end();
    else send(request, response, entry.status, answer, f?.cut);
  } catch (e) {
    const known = e instanceof ApiError ? e : new ApiError(500, 'internalError', `An internal error occurred: ${e.message}`);
    if (!(e instanceof ApiError)) console.error(e);
    entry.status = known.code === 499 ? 200 : known.code;
    send(request, response, known.code === 499 ? 400 : known.code, known.body());
  }
});

const listen = (server) => new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(`http://127.0.0.1:${server.address().port}`)));
// Page after page comes over one connection, however slow the machine.
api.keepAliveTimeout = 60_000;
const hello = { url: await listen(api), control: await listen(control({ world, requests, faults, fault, body })) };
process.stdout.write(`${JSON.stringify(hello)}\n`);
