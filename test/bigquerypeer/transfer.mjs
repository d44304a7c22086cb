// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Load, copy and extract jobs. Objects are read from and written to the Cloud
// Storage counterpart that the settings name; without one an extract is only
// noted and a load from gs:// fails.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, invalid, notImplemented } from './errors.mjs';
import { store } from './jobs.mjs';
import { duckType, literal, quote } from './types.mjs';
import { duckName } from './world.mjs';

async function withDirectory(f) {
  const dir = await mkdtemp(join(tmpdir(), 'bigquerypeer-'));
  try {
    return await f(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function gs(uri) {
  const m = /^gs:\/\/([^/]+)\/(.+)$/.exec(uri ?? '');
  if (!m) throw invalid(`Source or destination URI must be a Google Storage location: ${uri}`);
  return { bucket: m[1], object: m[2] };
}

async function storage(world, path, init = {}) {
  const { endpoint, token } = world.settings.storage;
  const response = await fetch(endpoint + path, { ...init, headers: { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) } });
  if (response.ok) return response;
  await response.arrayBuffer();
  throw new ApiError(response.status, response.status === 404 ? 'notFound' : 'accessDenied', `Cloud Storage answered ${response.status} for ${decodeURIComponent(path.split('?')[0])}`);
}

/** copyJob copies tables into one. */
export async function copyJob(job) {
  const c = job.configuration.copy;
  const sources = c.sourceTables ?? [c.sourceTable];
  const selects = [];
  for (const source of sources) {
    const ref = { projectId: job.project, ...source };
    await job.world.table(ref);
    selects.push(`SELECT * FROM ${await job.world.readable(job.identity, ref)}`);
  }
  await store(job.world, job, c, selects.join(' UNION ALL BY NAME '));
  const rows = await job.world.count(c.destinationTable);
  job.statistics.copy = { copiedRows: String(rows), copiedLogicalBytes: String(await job.world.bytes(c.destinationTable)) };
}

const formats = { CSV: 'csv', NEWLINE_DELIMITED_JSON: 'json', PARQUET: 'parquet' };

/** extractJob writes a table to an object. */
export async function extractJob(job) {
  const x = job.configuration.extract;
  const { world } = job;
  if (!x.sourceTable) throw notImplemented('Only tables are extracted');
  const ref = { projectId: job.project, ...x.sourceTable };
  await world.table(ref);
  const uris = x.destinationUris ?? [x.destinationUri];
  if (uris.length !== 1) throw notImplemented('An extract has one destination');
  const { bucket, object } = gs(uris[0]);
  const format = formats[x.destinationFormat ?? 'CSV'];
  if (!format) throw notImplemented(`${x.destinationFormat} is not written`);
  const gzip = x.compression === 'GZIP';
  world.extracts.push({ table: `${ref.projectId}.${ref.datasetId}.${ref.tableId}`, uri: uris[0], identity: job.identity });
  const source = await world.readable(job.identity, ref);
  if (world.settings.storage) {
    await withDirectory(async (dir) => {
      const file = join(dir, 'out');
      const options = [`FORMAT ${format}`];
      if (format === 'csv') options.push(`HEADER ${x.printHeader !== false}`, `DELIMITER ${literal(x.fieldDelimiter ?? ',')}`);
      if (gzip && format !== 'parquet') options.push('COMPRESSION gzip');
      await world.run(`COPY (SELECT * FROM ${source}) TO ${literal(file)} (${options.join(', ')})`);
      const name = object.replace('*', '000000000000');
      await storage(world, `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?uploadType=media&name=${encodeURIComponent(name)}`, {
        method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: await readFile(file),
      });
    });
  }
  job.statistics.extract = { destinationUriFileCounts: ['1'], inputBytes: String(await world.bytes(ref)) };
}

/** loadJob fills a table from objects, or from what was uploaded with the job. */
export async function loadJob(job, media) {
  const { world } = job;
  const l = job.configuration.load;
  const format = formats[(l.sourceFormat ?? 'CSV').toUpperCase()];
  if (!format) throw notImplemented(`${l.sourceFormat} is not read`);
  if (!l.destinationTable) throw invalid('Required parameter is missing: destinationTable');
  const bodies = media ? [media] : [];
  for (const uri of l.sourceUris ?? []) {
    const { bucket, object } = gs(uri);
    if (!world.settings.storage) throw notImplemented('No storage endpoint is set, so that nothing is loaded from gs://');
    const r = await storage(world, `/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(object)}?alt=media`);
    bodies.push(Buffer.from(await r.arrayBuffer()));
  }
  if (!bodies.length) throw invalid('Load configuration must specify at least one source URI');
  let rows;
  // What says no schema is of the table's.
  const ref = { projectId: job.project, ...l.destinationTable };
  const own = await world.table(ref).then(() => world.schema(ref), () => undefined);
  const schema = l.schema?.fields?.length ? l.schema : own;
  await withDirectory(async (dir) => {
    const files = [];
    for (const [i, body] of bodies.entries()) {
      files.push(join(dir, `${i}${body[0] === 0x1f && body[1] === 0x8b ? '.gz' : ''}`));
      await writeFile(files[i], body);
    }
    const select = `SELECT * FROM ${reader(format, files, { ...l, schema })}`;
    rows = (await world.rows(`SELECT count(*) FROM (${select})`))[0][0];
    await store(world, job, l, select);
  });
  const bytes = bodies.reduce((n, b) => n + b.length, 0);
  job.statistics.load = { inputFiles: String(bodies.length), inputFileBytes: String(bytes), outputRows: String(rows), outputBytes: String(await world.bytes(l.destinationTable)) };
}

function reader(format, files, l) {
  const list = `[${files.map(literal).join(', ')}]`;
  if (format === 'parquet') return `read_parquet(${list})`;
  const columns = (l.schema?.fields ?? []).map((f) => `${literal(f.name)}: ${literal(duckType(f) ?? 'VARCHAR')}`);
  const schema = columns.length ? `, columns = {${columns.join(', ')}}` : '';
  if (format === 'json') return `read_json(${list}, format = 'newline_delimited'${schema})`;
  const header = l.autodetect && l.skipLeadingRows === undefined ? '' : `, header = ${Number(l.skipLeadingRows ?? 0) > 0}`;
  return `read_csv(${list}${header}, delim = ${literal(l.fieldDelimiter ?? ',')}${schema})`;
}

/** insertAll is tabledata.insertAll: rows as JSON objects. */
export async function insertAll(world, ref, body) {
  await world.table(ref);
  const schema = await world.schema(ref);
  const known = new Set(schema.fields.map((f) => f.name));
  const insertErrors = [];
  const good = [];
  for (const [index, row] of (body.rows ?? []).entries()) {
    const unknown = Object.keys(row.json ?? {}).find((k) => !known.has(k));
    if (unknown && !body.ignoreUnknownValues) {
      insertErrors.push({ index, errors: [{ reason: 'invalid', location: unknown, debugInfo: '', message: `no such field: ${unknown}.` }] });
    } else good.push(row.json ?? {});
  }
  if (insertErrors.length && !body.skipInvalidRows) {
    for (const [index] of (body.rows ?? []).entries()) {
      if (!insertErrors.some((e) => e.index === index)) insertErrors.push({ index, errors: [{ reason: 'stopped', location: '', debugInfo: '', message: '' }] });
    }
  } else if (good.length) {
    await withDirectory(async (dir) => {
      const file = join(dir, 'rows.json');
      await writeFile(file, good.map((r) => JSON.stringify(r)).join('\n'));
      const columns = schema.fields.map((f) => `${literal(f.name)}: ${literal(duckType({ ...f, mode: f.mode === 'REPEATED' ? f.mode : '' }))}`);
      await world.run(`INSERT INTO ${duckName(ref)} (${schema.fields.map((f) => quote(f.name)).join(', ')}) SELECT * FROM read_json(${literal(file)}, format = 'newline_delimited', columns = {${columns.join(', ')}})`);
    });
  }
  return { kind: 'bigquery#tableDataInsertAllResponse', ...(insertErrors.length && { insertErrors }) };
}
