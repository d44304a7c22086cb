// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// What the test that runs the counterpart asks of it, on a port of its own:
// POST with a JSON object in, JSON out.
import { createServer } from 'node:http';
import { ApiError, fromDuck } from './errors.mjs';
import { insertTable } from './methods.mjs';
import { readTable } from './read.mjs';
import { insertAll } from './transfer.mjs';

const actions = {
  /** seed runs SQL of DuckDB's in a project, which it makes. */
  async seed({ world }, { project, sql }) {
    await world.script(project, sql ?? '');
    return {};
  },
  /** sql runs one statement of DuckDB's and returns its rows, as DuckDB prints them. */
  async sql({ world }, { project, sql }) {
    return { rows: (await world.script(project, sql)).getRowsJson().map((r) => r.map((v) => (v === null ? null : typeof v === 'string' ? v : JSON.stringify(v)))) };
  },
  /** view makes a view, as the service would. */
  async view({ world }, { project, dataset, name, query, identity }) {
    await insertTable({ world, params: { projectId: project, datasetId: dataset }, body: { tableReference: { tableId: name }, view: { query } }, identity });
    return {};
  },
  /** identities are the tokens that the service knows, each with whose it is. */
  identities({ world }, { tokens }) {
    for (const [token, email] of Object.entries(tokens)) world.identities.set(token, email);
    return {};
  },
  /** masks are columns that an identity reads masked, as by a data policy. */
  masks({ world }, { identity, table, columns }) {
    world.masks = world.masks.filter((m) => m.identity !== identity || m.table !== table);
    if (Object.keys(columns ?? {}).length) world.masks.push({ identity, table, columns });
    return {};
  },
  /** call notes a call of the Storage APIs and says whose it is, or why it fails. */
  call({ world, requests, fault }, { service, method, token, headers, body }) {
    const path = `/google.cloud.bigquery.storage.v1.${service}/${method}`;
    const identity = world.identities.get(token);
    const entry = { method: 'POST', path, method_id: path.slice(1).replace('/', '.'), headers, body, identity, token: !token ? 'none' : identity ? 'expected' : 'other', status: 200 };
    requests.push(entry);
    const f = fault(path);
    const refused = !identity ? new ApiError(401, 'authError', 'Request had invalid authentication credentials.') : f?.status ? new ApiError(f.status, f.reason, f.message ?? 'Backend error.') : undefined;
    if (refused) entry.status = refused.code;
    return refused ? refused.body() : { identity, cut: f?.cut === true };
  },
  /** read reads rows for the Storage Read API. */
  read: ({ world }, request) => readTable(world, request).catch((e) => fromDuck(e).body()),
  /** schema is that of a table, for the Storage Write API. */
  async schema({ world }, { table }) {
    try {
      await world.table(table);
      return await world.schema(table);
    } catch (e) {
      return fromDuck(e).body();
    }
  },
  /** append writes rows for the Storage Write API. */
  append: ({ world }, { table, rows }) => insertAll(world, table, { rows: rows.map((json) => ({ json })) }).catch((e) => fromDuck(e).body()),
  settings({ world }, settings) {
    Object.assign(world.settings, settings);
    return world.settings;
  },
  fault({ faults }, fault) {
    faults.push(fault);
    return {};
  },
  requests: ({ requests }) => ({ requests: requests.filter((r) => r.status !== 0) }),
  forget({ requests }) {
    requests.length = 0;
    return {};
  },
  /** saw says whether a text was anywhere in a request. */
  saw: ({ requests }, { text }) => ({ saw: requests.some((r) => [r.path, r.body, JSON.stringify(r.headers)].some((part) => part.includes(text) || decode(part).includes(text))) }),
  extracts: ({ world }) => ({ extracts: world.extracts }),
};

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** control is that server. */
export function control(state) {
  return createServer(async (request, response) => {
    let status = 200;
    let answer;
    try {
      const raw = await state.body(request);
      const action = actions[request.url.slice(1)];
      if (!action) throw new Error(`no action ${request.url}`);
      answer = await action(state, raw.length ? JSON.parse(raw) : {});
    } catch (e) {
      status = 400;
      answer = { error: e.message };
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
}
