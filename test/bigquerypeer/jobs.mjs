// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Jobs. A job's work is done when it is inserted; a setting makes it look
// unfinished to the next so many looks at it, as the service's jobs are.
import { randomUUID } from 'node:crypto';
import { ApiError, duplicate, fromDuck, invalid, invalidQuery, notFound, notImplemented } from './errors.mjs';
import { copyJob, extractJob, loadJob } from './transfer.mjs';
import { schemaName, split, translate } from './sql.mjs';
import { rows, timestampFormat } from './types.mjs';
import { duckName, etag, tableName } from './world.mjs';

const location = 'US';
const plain = (t) => ({ projectId: t.projectId, datasetId: t.datasetId, tableId: t.tableId });

export class Job {
  constructor(world, project, reference, configuration, identity, parent) {
    this.world = world;
    this.project = project;
    this.id = reference?.jobId ?? `job_${randomUUID().replaceAll('-', '')}`;
    if (!/^[\w-]{1,1024}$/.test(this.id)) throw invalid(`Invalid job ID "${this.id}".`);
    this.location = reference?.location ?? location;
    this.configuration = structuredClone(configuration);
    this.identity = identity;
    this.parent = parent;
    this.etag = etag();
    this.created = Date.now();
    this.statistics = {};
    this.looks = this.polls = parent ? 0 : world.settings.polls;
    this.children = [];
  }

  key() { return `${this.project}\u0000${this.id}`; }

  get type() { return ['query', 'load', 'copy', 'extract'].find((t) => this.configuration[t]); }

  /** look counts one look by a client and says whether the job is done. */
  look() {
    if (this.polls > 0) this.polls--;
    return this.polls === 0;
  }

  state() { return this.polls === 0 ? 'DONE' : this.polls === this.looks ? 'PENDING' : 'RUNNING'; }

  reference() { return { projectId: this.project, jobId: this.id, location: this.location }; }

  status() {
    const state = this.state();
    if (state !== 'DONE' || !this.error) return { state };
    return { state, errorResult: this.error.proto(), errors: [this.error.proto()] };
  }

  resource() {
    const done = this.state() === 'DONE';
    const { query, ...rest } = this.statistics;
    return {
      kind: 'bigquery#job', etag: this.etag, id: `${this.project}:${this.location}.${this.id}`, selfLink: '',
      user_email: this.identity, jobReference: this.configuration.dryRun ? { projectId: this.project, location: this.location } : this.reference(),
      configuration: { ...this.configuration, jobType: this.type?.toUpperCase() }, status: this.status(),
      statistics: {
        creationTime: String(this.created), startTime: String(this.created), ...(done && { endTime: String(this.created + 1), totalSlotMs: '1' }),
        ...(this.parent && { parentJobId: this.parent.id }), ...(this.children.length && { numChildJobs: String(this.children.length) }),
        ...rest, ...(query && { query, totalBytesProcessed: query.totalBytesProcessed }),
      },
    };
  }
}

/** insertJob makes a job and does its work. */
export async function insertJob(world, project, body, identity, media) {
  world.requireProject(project);
  const job = new Job(world, project, body.jobReference, body.configuration ?? {}, identity);
  if (!job.type) throw invalid('Required parameter is missing: configuration');
  if (world.jobs.has(job.key())) throw duplicate('Job', `${project}:${job.location}.${job.id}`);
  const dry = job.configuration.dryRun === true;
  if (!dry) world.jobs.set(job.key(), job);
  try {
    if (job.type === 'query') await queryJob(job);
    else if (dry) throw invalid(`dryRun is not supported for ${job.type} jobs`);
    else await { load: loadJob, copy: copyJob, extract: extractJob }[job.type](job, media);
  } catch (e) {
    job.error = fromDuck(e);
    if (dry) throw job.error;
  }
  return job;
}

/** findJob is a job of an identity's own; others' are refused, as to an account without rights on the project's jobs. */
export function findJob(world, project, id, identity) {
  world.requireProject(project);
  const job = world.jobs.get(`${project}\u0000${id}`);
  if (!job) throw notFound('Job', `${project}:${id}`);
  if (job.identity !== identity) throw new ApiError(403, 'accessDenied', `Access Denied: Job ${project}:${id}: User does not have permission to access job.`);
  return job;
}

/** cancel ends a job that still looks unfinished. */
export async function cancelJob(job) {
  if (job.state() === 'DONE') return;
  job.polls = 0;
  job.error = new ApiError(499, 'stopped', 'Job execution was cancelled: User requested cancellation');
  if (job.anonymous) await job.world.dropTable(job.anonymous).catch(() => {});
}

async function queryJob(job) {
  const q = job.configuration.query;
  const text = q.query ?? '';
  if (!text.trim()) throw invalid('Required parameter is missing: query');
  const dialect = /^\s*#(legacy|standard)sql\b/i.exec(text)?.[1].toLowerCase();
  if (dialect ? dialect === 'legacy' : q.useLegacySql !== false) throw invalidQuery('Legacy SQL is not served by this counterpart; set useLegacySql to false');
  if (q.createSession || job.configuration.query.connectionProperties?.some((p) => p.key === 'session_id')) throw notImplemented('Sessions are not served');
  q.useLegacySql = false;
  const parts = split(text);
  if (!parts.length) throw invalidQuery('Syntax error: Unexpected end of script');
  if (parts.length > 1) return runScript(job, parts);
  return runStatement(job, parts[0]);
}

async function runScript(job, parts) {
  if (job.configuration.dryRun) {
    job.statistics.query = { statementType: 'SCRIPT', totalBytesProcessed: '0', cacheHit: false };
    return;
  }
  let bytes = 0;
  for (const [i, part] of parts.entries()) {
    const query = { ...job.configuration.query, query: part.tokens.map((t) => t.text).join('').trim() };
    delete query.destinationTable;
    const child = new Job(job.world, job.project, { jobId: `script_job_${job.id}_${i}`, location: job.location }, { query }, job.identity, job);
    job.world.jobs.set(child.key(), child);
    job.children.push(child);
    try {
      await runStatement(child, part);
    } catch (e) {
      child.error = fromDuck(e);
      throw invalidQuery(`${child.error.message} at [${i + 1}:1]`);
    }
    bytes += Number(child.statistics.query.totalBytesProcessed);
    if (child.result) Object.assign(job, { result: child.result, schema: child.schema });
  }
  job.statistics.query = { statementType: 'SCRIPT', totalBytesProcessed: String(bytes), totalBytesBilled: String(bytes), cacheHit: false };
}

async function runStatement(job, part) {
  const { world } = job;
  const q = job.configuration.query;
  const stats = { statementType: part.kind, totalBytesProcessed: '0', totalBytesBilled: '0', cacheHit: false };
  job.statistics.query = stats;
  if (/_SCHEMA$/.test(part.kind)) return runSchema(job, part, stats);
  if (part.kind === 'EXPORT_DATA') throw notImplemented('EXPORT DATA is not served');
  const prelude = [];
  const resolve = await world.resolver({ project: job.project, defaultDataset: q.defaultDataset, identity: job.identity }, prelude);
  const made = translate(part, { resolve, identity: job.identity, parameterMode: q.parameterMode, queryParameters: q.queryParameters });
  await measure(job, made, stats);
  for (const sql of prelude) await world.run(sql);
  if (part.kind === 'SELECT') return runSelect(job, made, stats);
  if (made.target && /^(CREATE|DROP|ALTER)/.test(part.kind)) stats.ddlTargetTable = plain(made.target);
  if (job.configuration.dryRun) return;
  if (/^(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|DROP|ALTER)/.test(part.kind) && made.target && !made.target.exists && !/IF EXISTS/i.test(q.query)) {
    throw notFound('Table', `${tableName(made.target)} was not found in location US`);
  }
  if (/^CREATE_(TABLE|VIEW)/.test(part.kind) && made.target.exists && !/^\s*CREATE OR REPLACE|IF NOT EXISTS/i.test(q.query)) {
    throw duplicate('Table', tableName(made.target));
  }
  const reader = await world.run(made.sql);
  finish(job, part.kind, made, stats, reader);
}

function finish(job, kind, made, stats, reader) {
  const path = [made.target.projectId, made.target.datasetId, made.target.tableId];
  if (/^DROP/.test(kind)) job.world.forget(...path);
  else job.world.touch(...path);
  if (/^CREATE_VIEW/.test(kind)) job.world.note(...path).view = job.configuration.query.query.replace(/^[\s\S]*?\bAS\b\s*/i, '');
  if (/^(CREATE|DROP|ALTER)/.test(kind)) {
    stats.ddlOperationPerformed = kind.split('_')[0];
    return;
  }
  const n = String(reader.getRows()[0]?.[0] ?? 0);
  stats.numDmlAffectedRows = n;
  const counter = { INSERT: 'insertedRowCount', UPDATE: 'updatedRowCount', DELETE: 'deletedRowCount', TRUNCATE_TABLE: 'deletedRowCount' }[kind];
  if (counter) stats.dmlStats = { [counter]: n };
}

async function measure(job, made, stats) {
  const { world } = job;
  const seen = new Map();
  const visit = async (t) => {
    if (seen.has(tableName(t))) return;
    seen.set(tableName(t), plain(t));
    if (/[ *.]/.test(t.tableId)) return;
    stats.totalBytesProcessed = String(Number(stats.totalBytesProcessed) + await world.bytes(t));
  };
  for (const t of made.references) await visit(t);
  if (made.target?.exists && /^(UPDATE|DELETE|MERGE|INSERT|TRUNCATE)/.test(made.kind)) seen.set(tableName(made.target), plain(made.target));
  stats.totalBytesBilled = stats.totalBytesProcessed;
  if (seen.size) stats.referencedTables = [...seen.values()];
}

async function runSelect(job, made, stats) {
  const { world } = job;
  const q = job.configuration.query;
  const probe = await world.run(`SELECT * FROM (${made.sql}) LIMIT 0`);
  const names = probe.columnNames();
  const twice = names.find((n, i) => names.findIndex((m) => m.toLowerCase() === n.toLowerCase()) !== i);
  if (twice || names.some((n) => /_1$/.test(n) && names.includes(n.slice(0, -2)))) throw invalidQuery(`Duplicate column names in the result are not supported. Found duplicate(s): ${twice ?? names.find((n) => /_1$/.test(n)).slice(0, -2)}`);
  job.schema = { fields: world.fields(probe) };
  if (job.configuration.dryRun) {
    stats.schema = job.schema;
    return;
  }
  stats.queryPlan = [{ name: 'S00: Output', id: '0', status: 'COMPLETE', steps: [{ kind: 'READ', substeps: [q.query.slice(0, 400)] }] }];
  if (q.destinationTable?.tableId) {
    await store(world, job, q, made.sql);
  } else {
    job.anonymous = await world.anonymous(job.project, job.identity);
    await world.run(`CREATE TABLE ${duckName(job.anonymous)} AS ${made.sql}`);
    q.destinationTable = job.anonymous;
    q.writeDisposition = 'WRITE_TRUNCATE';
  }
  job.result = plain(q.destinationTable);
}

/** store writes a result into the table that the job names, under its dispositions. */
export async function store(world, job, options, select) {
  const ref = { projectId: job.project, ...options.destinationTable };
  options.destinationTable = ref;
  await world.requireDataset(ref);
  const exists = await world.table(ref).then(() => true, () => false);
  if (!exists && options.createDisposition === 'CREATE_NEVER') throw notFound('Table', tableName(ref));
  const disposition = options.writeDisposition ?? (job.type === 'load' ? 'WRITE_APPEND' : 'WRITE_EMPTY');
  if (exists && disposition === 'WRITE_EMPTY' && await world.count(ref)) throw duplicate('Table', tableName(ref));
  if (exists && disposition === 'WRITE_APPEND') await world.run(`INSERT INTO ${duckName(ref)} BY NAME ${select}`);
  else await world.run(`CREATE OR REPLACE TABLE ${duckName(ref)} AS ${select}`);
  world.touch(ref.projectId, ref.datasetId, ref.tableId);
}

async function runSchema(job, part, stats) {
  const ref = schemaName(part.tokens, job.project);
  stats.ddlTargetDataset = { projectId: ref.projectId, datasetId: ref.datasetId };
  stats.ddlOperationPerformed = part.kind.split('_')[0];
  if (job.configuration.dryRun) return;
  try {
    if (part.kind === 'CREATE_SCHEMA') await job.world.createDataset(ref);
    else await job.world.dropDataset(ref, ref.cascade);
  } catch (e) {
    if (!ref.conditional || (e.code !== 404 && e.code !== 409)) throw e;
    stats.ddlOperationPerformed = 'SKIP';
  }
}

const token = (what, offset) => Buffer.from(JSON.stringify([what, offset])).toString('base64url');

function offsetOf(what, pageToken) {
  if (!pageToken) return 0;
  try {
    const [for_, offset] = JSON.parse(Buffer.from(pageToken, 'base64url'));
    if (for_ === what && Number.isSafeInteger(offset) && offset >= 0) return offset;
  } catch { /* said below */ }
  throw invalid('Invalid value for pageToken');
}

/** page reads one page of a table: {rows, pageToken, totalRows}. */
export async function page(world, what, ref, name, params, columns) {
  const start = params.pageToken ? offsetOf(what, params.pageToken) : Number(params.startIndex ?? 0);
  const wanted = params.maxResults === undefined ? Infinity : Number(params.maxResults);
  if (!(wanted >= 0) || !Number.isSafeInteger(start) || start < 0) throw invalid('Invalid value for maxResults or startIndex');
  const n = Math.min(wanted, world.settings.pageRows);
  const reader = await world.run(`SELECT ${columns ?? '*'} FROM ${name} LIMIT ${n} OFFSET ${start}`);
  const total = await world.count(ref);
  const out = { totalRows: String(total) };
  const got = rows(reader, timestampFormat(params));
  if (got.length) out.rows = got;
  if (start + got.length < total && (n > 0)) out.pageToken = token(what, start + got.length);
  return out;
}

/** results is the part that jobs.query and jobs.getQueryResults share. */
export async function results(job, params) {
  const base = { jobReference: job.reference(), jobComplete: job.state() === 'DONE' };
  if (!base.jobComplete) return base;
  if (job.error) throw job.error;
  const stats = job.statistics.query;
  if (!stats) throw invalid(`Job ${job.id} is not a query job`);
  const out = { ...base, totalBytesProcessed: stats.totalBytesProcessed, cacheHit: false, ...(stats.numDmlAffectedRows && { numDmlAffectedRows: stats.numDmlAffectedRows }) };
  if (!job.result) return { ...out, schema: { fields: [] }, totalRows: '0' };
  await job.world.table(job.result);
  return { ...out, schema: job.schema, ...await page(job.world, job.key(), job.result, duckName(job.result), params) };
}
