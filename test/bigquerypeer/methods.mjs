// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// The methods of the v2 REST interface that the counterpart has, by the ids of
// Google's discovery document, and the discovery document of just these.
import { ApiError, invalid, notFound, notImplemented } from './errors.mjs';
import { cancelJob, findJob, insertJob, page, results } from './jobs.mjs';
import { insertAll } from './transfer.mjs';
import { split, translate } from './sql.mjs';
import { duckType, quote } from './types.mjs';
import { duckName, etag, mayRead } from './world.mjs';

const dataset = (p) => ({ projectId: p.projectId, datasetId: p.datasetId });
const table = (p) => ({ projectId: p.projectId, datasetId: p.datasetId, tableId: p.tableId });

function list(kind, name, items, params) {
  const start = params.pageToken ? Number(/^at(\d+)$/.exec(params.pageToken)?.[1] ?? NaN) : 0;
  if (Number.isNaN(start)) throw invalid('Invalid value for pageToken');
  const n = params.maxResults === undefined ? 50 : Number(params.maxResults);
  const part = items.slice(start, start + n);
  return { kind, etag: etag(), ...(part.length && { [name]: part }), ...(start + n < items.length && { nextPageToken: `at${start + n}` }) };
}

const own = ['friendlyName', 'description', 'labels', 'defaultTableExpirationMs', 'access', 'location', 'expirationTime', 'requirePartitionFilter'];
const pick = (from, names) => Object.fromEntries(names.filter((n) => from[n] !== undefined).map((n) => [n, from[n]]));

function datasetResource(world, ref) {
  const note = world.note(ref.projectId, ref.datasetId);
  return {
    kind: 'bigquery#dataset', etag: note.etag, id: `${ref.projectId}:${ref.datasetId}`, selfLink: '', datasetReference: dataset(ref), location: 'US', type: 'DEFAULT',
    creationTime: note.creationTime, lastModifiedTime: note.lastModifiedTime, ...pick(note, own),
  };
}

async function tableResource(world, t) {
  const note = world.note(t.projectId, t.datasetId, t.tableId);
  const bytes = t.type === 'TABLE' ? { numRows: String(await world.count(t)), numBytes: String(await world.bytes(t)), numLongTermBytes: '0' } : { view: { query: note.view ?? '', useLegacySql: false } };
  return {
    kind: 'bigquery#table', etag: note.etag, id: `${t.projectId}:${t.datasetId}.${t.tableId}`, selfLink: '', tableReference: table(t), type: t.type, location: 'US',
    schema: await world.schema(t), creationTime: note.creationTime, lastModifiedTime: note.lastModifiedTime, ...bytes, ...pick(note, own),
  };
}

function conditional(note, headers) {
  if (headers['if-match'] && headers['if-match'] !== '*' && headers['if-match'] !== note.etag) throw new ApiError(412, 'conditionNotMet', 'Precondition check failed.');
}

function noteFields(note, fields) {
  for (const f of fields ?? []) note.fields.set(f.name, pick(f, ['description', 'policyTags', 'mode']));
}

/** insertTable is tables.insert. */
export async function insertTable({ world, params, body, identity }) {
  const ref = { ...table(body.tableReference ?? {}), projectId: params.projectId, datasetId: params.datasetId };
  await world.requireDataset(ref);
  if (!ref.tableId) throw invalid('Required parameter is missing: tableId');
  if (await world.table(ref).then(() => true, () => false)) throw new ApiError(409, 'duplicate', `Already Exists: Table ${ref.projectId}:${ref.datasetId}.${ref.tableId}`);
  if (body.view) {
    const prelude = [];
    const made = translate(split(body.view.query)[0], { resolve: await world.resolver({ project: ref.projectId, identity }, prelude), identity });
    for (const sql of prelude) await world.run(sql);
    await world.run(`CREATE VIEW ${duckName(ref)} AS ${made.sql}`);
    world.note(ref.projectId, ref.datasetId, ref.tableId).view = body.view.query;
  } else {
    if (!body.schema?.fields?.length) throw notImplemented('A table without a schema is not served');
    const columns = body.schema.fields.map((f) => {
      const type = duckType(f);
      if (!type) throw invalid(`Invalid field type: ${f.type}`);
      return `${quote(f.name)} ${type}${f.mode === 'REQUIRED' ? ' NOT NULL' : ''}`;
    });
    await world.run(`CREATE TABLE ${duckName(ref)} (${columns.join(', ')})`);
  }
  const note = world.note(ref.projectId, ref.datasetId, ref.tableId);
  Object.assign(note, pick(body, own));
  noteFields(note, body.schema?.fields);
  return tableResource(world, await world.table(ref));
}

async function patchTable({ world, params, body, headers }) {
  const t = await world.table(table(params));
  const note = world.note(t.projectId, t.datasetId, t.tableId);
  conditional(note, headers);
  if (body.view) throw notImplemented('The query of a view is not changed');
  const present = new Set((await world.schema(t)).fields.map((f) => f.name));
  for (const f of body.schema?.fields ?? []) {
    if (!present.has(f.name)) await world.run(`ALTER TABLE ${duckName(t)} ADD COLUMN ${quote(f.name)} ${duckType(f)}`);
  }
  noteFields(note, body.schema?.fields);
  Object.assign(note, pick(body, own));
  world.touch(t.projectId, t.datasetId, t.tableId);
  return tableResource(world, t);
}

async function listTabledata({ world, params, identity }) {
  const t = await world.table(table(params));
  if (t.type === 'VIEW') throw invalid(`Cannot list a table of type VIEW.`);
  const selected = params.selectedFields?.split(',').map((f) => f.split('.')[0]);
  const schema = await world.schema(t);
  const missing = selected?.find((f) => !schema.fields.some((s) => s.name === f));
  if (missing) throw invalid(`Invalid field name: ${missing}`);
  const columns = selected && schema.fields.map((f) => f.name).filter((f) => selected.includes(f)).map(quote).join(', ');
  const got = await page(world, `${t.projectId}.${t.datasetId}.${t.tableId}`, t, await world.readable(identity, t), params, columns);
  return { kind: 'bigquery#tableDataList', etag: etag(), ...got };
}

async function query({ world, params, body, identity }) {
  const q = pick(body, ['query', 'useLegacySql', 'defaultDataset', 'parameterMode', 'queryParameters', 'createSession', 'connectionProperties']);
  const job = await insertJob(world, params.projectId, {
    jobReference: { location: body.location }, configuration: { query: q, dryRun: body.dryRun, labels: body.labels },
  }, identity);
  if (body.dryRun) {
    return { kind: 'bigquery#queryResponse', jobReference: { projectId: params.projectId }, jobComplete: true, cacheHit: false, totalBytesProcessed: job.statistics.query.totalBytesProcessed, schema: job.schema };
  }
  const answer = { kind: 'bigquery#queryResponse', ...await results(job, { ...body, pageToken: undefined, startIndex: undefined }), location: job.location };
  if (body.jobCreationMode === 'JOB_CREATION_OPTIONAL' && answer.jobComplete && !answer.pageToken) {
    delete answer.jobReference;
    return { ...answer, queryId: job.id };
  }
  return { ...answer, jobCreationReason: { code: 'REQUESTED' } };
}

async function getQueryResults({ world, params, identity }) {
  const job = findJob(world, params.projectId, params.jobId, identity);
  job.look();
  return { kind: 'bigquery#getQueryResultsResponse', etag: job.etag, ...await results(job, params) };
}

function listJobs({ world, params, identity }) {
  world.requireProject(params.projectId);
  const state = params.stateFilter && [params.stateFilter].flat().map((s) => s.toUpperCase());
  const jobs = [...world.jobs.values()].filter((j) => j.project === params.projectId
    && (params.parentJobId ? j.parent?.id === params.parentJobId : !j.parent)
    && (params.allUsers === 'true' || j.identity === identity) && (!state || state.includes(j.state())));
  const full = params.projection === 'full';
  return list('bigquery#jobList', 'jobs', jobs.reverse().map((j) => {
    const { configuration, status, ...rest } = j.resource();
    return { ...rest, state: status.state, ...(status.errorResult && { errorResult: status.errorResult }), status, ...(full && { configuration }) };
  }), params);
}

/** The policies of tables are kept, and change nothing. */
const policies = {
  async getIamPolicy({ world, params }) { return (await policyNote(world, params)).policy ?? { version: 1, etag: 'ACAB' }; },
  async setIamPolicy({ world, params, body }) {
    const note = await policyNote(world, params);
    note.policy = { version: 1, ...body.policy, etag: etag() };
    return note.policy;
  },
  async testIamPermissions({ world, params, body }) {
    await policyNote(world, params);
    return { permissions: body.permissions ?? [] };
  },
};

async function policyNote(world, params) {
  const [, projectId, , datasetId, , tableId] = params.resource.split('/');
  const t = await world.table({ projectId, datasetId, tableId });
  return world.note(t.projectId, t.datasetId, t.tableId);
}

const projectPath = 'projects/{+projectId}';
const datasetPath = `${projectPath}/datasets/{+datasetId}`;
const tablePath = `${datasetPath}/tables/{+tableId}`;

/** methods are [id, HTTP method, path, query parameters, handler]. */
export const methods = [
  ['projects.list', 'GET', 'projects', ['maxResults', 'pageToken'], ({ world, params }) => ({
    ...list('bigquery#projectList', 'projects', [...world.projects].map((id) => ({ kind: 'bigquery#project', id, numericId: '1', projectReference: { projectId: id }, friendlyName: id })), params),
    totalItems: world.projects.size,
  })],
  ['projects.getServiceAccount', 'GET', `${projectPath}/serviceAccount`, [], ({ params }) => ({ kind: 'bigquery#getServiceAccountResponse', email: `bq-${params.projectId}@bigquery-encryption.example` })],
  ['datasets.list', 'GET', `${projectPath}/datasets`, ['all', 'filter', 'maxResults', 'pageToken'], async ({ world, params }) => {
    world.requireProject(params.projectId);
    const names = (await world.datasets(params.projectId)).filter((d) => params.all === 'true' || !d.startsWith('_'));
    return list('bigquery#datasetList', 'datasets', names.map((datasetId) => {
      const { etag: _, ...d } = datasetResource(world, { projectId: params.projectId, datasetId });
      return d;
    }), params);
  }],
  ['datasets.get', 'GET', datasetPath, ['accessPolicyVersion', 'datasetView'], async ({ world, params }) => { await world.requireDataset(params); return datasetResource(world, params); }],
  ['datasets.insert', 'POST', `${projectPath}/datasets`, ['accessPolicyVersion'], async ({ world, params, body }) => {
    const ref = { projectId: params.projectId, datasetId: body.datasetReference?.datasetId };
    await world.createDataset(ref, pick(body, own));
    return datasetResource(world, ref);
  }],
  ...['PATCH', 'PUT'].map((verb) => [verb === 'PUT' ? 'datasets.update' : 'datasets.patch', verb, datasetPath, ['accessPolicyVersion', 'updateMode'], async ({ world, params, body, headers }) => {
    await world.requireDataset(params);
    conditional(world.note(params.projectId, params.datasetId), headers);
    Object.assign(world.note(params.projectId, params.datasetId), pick(body, own));
    world.touch(params.projectId, params.datasetId);
    return datasetResource(world, params);
  }]),
  ['datasets.delete', 'DELETE', datasetPath, ['deleteContents'], async ({ world, params }) => { await world.dropDataset(params, params.deleteContents === 'true'); }],
  ['tables.list', 'GET', `${datasetPath}/tables`, ['maxResults', 'pageToken'], async ({ world, params }) => {
    await world.requireDataset(params);
    const tables = await world.tables(dataset(params));
    const items = tables.map((t) => ({ kind: 'bigquery#table', id: `${t.projectId}:${t.datasetId}.${t.tableId}`, tableReference: table(t), type: t.type, creationTime: world.note(t.projectId, t.datasetId, t.tableId).creationTime }));
    return { ...list('bigquery#tableList', 'tables', items, params), totalItems: items.length };
  }],
  ['tables.get', 'GET', tablePath, ['selectedFields', 'view'], async ({ world, params, identity }) => { mayRead(identity, params); return tableResource(world, await world.table(table(params))); }],
  ['tables.insert', 'POST', `${datasetPath}/tables`, [], insertTable],
  ['tables.patch', 'PATCH', tablePath, ['autodetect_schema'], patchTable],
  ['tables.update', 'PUT', tablePath, ['autodetect_schema'], patchTable],
  ['tables.delete', 'DELETE', tablePath, [], async ({ world, params }) => { await world.dropTable(table(params)); }],
  ...['models', 'routines'].map((what) => [`${what}.list`, 'GET', `${datasetPath}/${what}`, ['filter', 'maxResults', 'pageToken', 'readMask'], async ({ world, params }) => {
    await world.requireDataset(params);
    return {}; // there are none
  }]),
  ...Object.entries(policies).map(([name, handler]) => [`tables.${name}`, 'POST', `{+resource}:${name}`, [], handler]),
  ['tabledata.list', 'GET', `${tablePath}/data`, ['maxResults', 'pageToken', 'selectedFields', 'startIndex', 'formatOptions.useInt64Timestamp', 'formatOptions.timestampOutputFormat'], listTabledata],
  ['tabledata.insertAll', 'POST', `${tablePath}/insertAll`, [], ({ world, params, body }) => insertAll(world, table(params), body)],
  ['jobs.query', 'POST', `${projectPath}/queries`, [], query],
  ['jobs.getQueryResults', 'GET', `${projectPath}/queries/{+jobId}`, ['location', 'maxResults', 'pageToken', 'startIndex', 'timeoutMs', 'formatOptions.useInt64Timestamp', 'formatOptions.timestampOutputFormat'], getQueryResults],
  ['jobs.insert', 'POST', `${projectPath}/jobs`, [], async ({ world, params, body, identity, media }) => (await insertJob(world, params.projectId, body, identity, media)).resource()],
  ['jobs.list', 'GET', `${projectPath}/jobs`, ['allUsers', 'maxCreationTime', 'maxResults', 'minCreationTime', 'pageToken', 'parentJobId', 'projection', 'stateFilter'], listJobs],
  ['jobs.get', 'GET', `${projectPath}/jobs/{+jobId}`, ['location'], ({ world, params, identity }) => {
    const job = findJob(world, params.projectId, params.jobId, identity);
    job.look();
    return job.resource();
  }],
  ['jobs.cancel', 'POST', `${projectPath}/jobs/{+jobId}/cancel`, ['location'], async ({ world, params, identity }) => {
    const job = findJob(world, params.projectId, params.jobId, identity);
    await cancelJob(job);
    return { kind: 'bigquery#jobCancelResponse', job: job.resource() };
  }],
  ['jobs.delete', 'DELETE', `${projectPath}/jobs/{+jobId}/delete`, ['location'], ({ world, params, identity }) => {
    world.jobs.delete(findJob(world, params.projectId, params.jobId, identity).key());
  }],
].map(([id, verb, path, query_, handler]) => ({ id: `bigquery.${id}`, verb, path, query: query_, handler, segments: path.split('/') }));

/** route finds the method of a request and the parameters in its path. */
export function route(verb, segments) {
  const custom = /^(projects\/[^/]+\/datasets\/[^/]+\/tables\/[^/]+):(\w+)$/.exec(segments.join('/'));
  if (custom && Object.hasOwn(policies, custom[2]) && verb === 'POST') {
    return { method: methods.find((m) => m.id === `bigquery.tables.${custom[2]}`), params: { resource: custom[1] } };
  }
  for (const m of methods) {
    if (m.path.startsWith('{+resource}') || m.verb !== verb || m.segments.length !== segments.length) continue;
    const params = {};
    if (m.segments.every((s, i) => (s.startsWith('{') ? ((params[s.slice(2, -1)] = segments[i]), segments[i] !== '') : s === segments[i]))) return { method: m, params };
  }
  throw notFound('method', `${verb} /${segments.join('/')}`);
}

/** discovery is a discovery document of the methods above, in Google's form. */
export function discovery(root) {
  const resources = {};
  const string_ = (location, required) => ({ type: 'string', location, ...(required && { required: true }) });
  const query_ = (name) => {
    if (/^(all|allUsers|deleteContents|autodetect_schema|formatOptions\.useInt64Timestamp)$/.test(name)) return { type: 'boolean', location: 'query' };
    if (/^(maxResults|timeoutMs|accessPolicyVersion)$/.test(name)) return { type: 'integer', format: 'uint32', location: 'query' };
    return { ...string_('query'), ...(name === 'stateFilter' && { repeated: true }) };
  };
  for (const m of methods) {
    const [, resource, name] = m.id.split('.');
    const inPath = [...m.path.matchAll(/\{\+(\w+)\}/g)].map((p) => p[1]);
    resources[resource] ??= { methods: {} };
    resources[resource].methods[name] = {
      id: m.id, path: m.path, flatPath: m.path.replaceAll('{+', '{'), httpMethod: m.verb, parameterOrder: inPath,
      parameters: Object.fromEntries([...inPath.map((p) => [p, string_('path', true)]), ...m.query.map((p) => [p, query_(p)])]),
      ...(/^P/.test(m.verb) && name !== 'cancel' && { request: { $ref: 'Any' } }), ...(m.verb !== 'DELETE' && { response: { $ref: 'Any' } }),
      ...(m.id === 'bigquery.jobs.insert' && {
        supportsMediaUpload: true,
        mediaUpload: { accept: ['*/*'], protocols: { simple: { multipart: true, path: `/upload/bigquery/v2/${m.path}` }, resumable: { multipart: true, path: `/resumable/upload/bigquery/v2/${m.path}` } } },
      }),
      scopes: ['https://www.googleapis.com/auth/bigquery'],
    };
  }
  return {
    kind: 'discovery#restDescription', discoveryVersion: 'v1', id: 'bigquery:v2', name: 'bigquery', version: 'v2', revision: '20260101', title: 'BigQuery API', protocol: 'rest',
    rootUrl: `${root}/`, servicePath: 'bigquery/v2/', basePath: '/bigquery/v2/', baseUrl: `${root}/bigquery/v2/`, batchPath: 'batch/bigquery/v2',
    parameters: { alt: { type: 'string', default: 'json', enum: ['json'], enumDescriptions: ['JSON'], location: 'query' }, fields: string_('query'), prettyPrint: { type: 'boolean', default: 'true', location: 'query' }, quotaUser: string_('query'), key: string_('query'), oauth_token: string_('query') },
    auth: { oauth2: { scopes: { 'https://www.googleapis.com/auth/bigquery': { description: 'BigQuery' } } } },
    schemas: { Any: { id: 'Any', type: 'object', properties: {} } }, resources,
  };
}
