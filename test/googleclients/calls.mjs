// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Makes calls with Google's clients for Node.js. Standard input is one JSON
// object {service, calls}; standard output one array with {value} or {error} of
// each call, in order. calls.go and goclient have the same calls.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BigQuery } from '@google-cloud/bigquery';
import { CRC32C, Storage } from '@google-cloud/storage';
import { OAuth2Client } from 'google-auth-library';

async function input() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return JSON.parse(Buffer.concat(parts));
}

const { service, calls } = await input();

/** auth is how the clients are told to log in: a file, or a token that is at hand. */
function auth() {
  if (service.credentials) return { keyFilename: service.credentials };
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: service.token });
  return { authClient };
}

const common = { projectId: service.project, ...auth() };
const retries = service.retries ?? 3;
const at = (endpoint, more) => (service.usual ? {} : { apiEndpoint: endpoint, ...more }); // usual: the client's own
const bq = new BigQuery({ ...common, ...at(service.bigquery), autoRetry: retries > 0, maxRetries: retries });
const gcs = new Storage({ ...common, ...at(service.storage, { useAuthWithCustomEndpoint: true }), retryOptions: { autoRetry: retries > 0, maxRetries: retries } });

/** plain makes JSON of a value that the client made. */
function plain(v) {
  if (v === null || v === undefined) return null;
  if (Buffer.isBuffer(v)) return v.toString('base64');
  if (Array.isArray(v)) return v.map(plain);
  if (typeof v !== 'object') return v;
  if (v.constructor.name === 'Big') return v.toFixed();
  if (/^BigQuery/.test(v.constructor.name)) return v.value.replace(/(\.\d*?)0+Z$/, '$1Z').replace('.Z', 'Z');
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
}

const columns = (schema) => (schema?.fields ?? []).map((f) => `${f.name} ${f.type}${f.mode === 'REPEATED' ? '[]' : ''}`);
const table = (c) => bq.dataset(c.dataset).table(c.table);

function options(c) {
  return {
    query: c.sql, ...(c.params && { params: c.params }), ...(c.dataset && { defaultDataset: { datasetId: c.dataset } }), ...(c.legacy && { useLegacySql: true }),
    ...(c.to && { destination: bq.dataset(c.to.split('.')[0]).table(c.to.split('.')[1]), writeDisposition: 'WRITE_TRUNCATE' }), ...(c.dry && { dryRun: true }),
  };
}

const done = (metadata) => {
  if (metadata.status?.errorResult) throw Object.assign(new Error(metadata.status.errorResult.message), { errors: [metadata.status.errorResult] });
  return metadata;
};

/** paged reads all rows, by pages of the size when one is given. */
async function paged(c, get) {
  const rows = [];
  let pages = 0;
  for (let next = c.page ? { maxResults: c.page, autoPaginate: false } : {}; next;) {
    const [part, more] = await get(next);
    if (part.length) pages++;
    rows.push(...part);
    next = c.page ? more : null;
  }
  return { rows: plain(rows), pages: Math.max(pages, 1) };
}

const all = async (objects) => (await objects)[0].map((o) => o.id.replace(/^.*[:.]/, ''));

const bigquery = {
  // jobs.query, and jobs.getQueryResults for further pages
  async query(c) {
    const [rows] = await bq.query(options(c));
    return { rows: plain(rows) };
  },
  // jobs.insert and jobs.getQueryResults
  async job(c) {
    const [job] = await bq.createQueryJob(options(c));
    const q = (m) => ({
      kind: m.statistics.query?.statementType, bytes: Number(m.statistics.totalBytesProcessed ?? 0), affected: Number(m.statistics.query?.numDmlAffectedRows ?? 0),
      tables: (m.statistics.query?.referencedTables ?? []).map((t) => `${t.datasetId}.${t.tableId}`), columns: columns(m.statistics.query?.schema),
    });
    if (c.dry) return q(job.metadata);
    const got = await paged(c, (o) => job.getQueryResults(o));
    const [metadata] = await job.getMetadata();
    return { ...q(metadata), ...got };
  },
  async rows(c) {
    return { rows: (await paged(c, (o) => table(c).getRows({ ...o, ...(c.fields && { selectedFields: c.fields.join(',') }) }))).rows };
  },
  datasets: () => all(bq.getDatasets()),
  tables: (c) => all(bq.dataset(c.dataset).getTables()),
  async jobs() { return (await bq.getJobs())[0].map((j) => j.id); },
  // the rows of a job that ran before
  async answer(c) {
    const [rows] = await bq.job(c.name).getQueryResults();
    return { rows: plain(rows) };
  },
  async table(c) {
    const [m] = await table(c).getMetadata();
    return { type: m.type, rows: Number(m.numRows ?? 0), columns: columns(m.schema), description: m.description ?? '' };
  },
  async create_dataset(c) { await bq.createDataset(c.dataset); },
  async delete_dataset(c) { await bq.dataset(c.dataset).delete({ force: c.contents === true }); },
  async create_table(c) { await bq.dataset(c.dataset).createTable(c.table, { schema: c.schema.map(([name, type]) => ({ name, type })) }); },
  async create_view(c) { await bq.dataset(c.dataset).createTable(c.table, { view: c.sql }); },
  async describe(c) { await table(c).setMetadata({ description: c.description }); },
  async delete_table(c) { await table(c).delete(); },
  async insert(c) { await table(c).insert(c.rows); },
  // from an object when there is one, else from the call itself
  async load(c) {
    if (c.bucket) {
      const metadata = { sourceFormat: 'CSV', skipLeadingRows: 1, schema: { fields: c.schema.map(([name, type]) => ({ name, type })) } };
      return Number(done((await table(c).load(gcs.bucket(c.bucket).file(c.name), metadata))[0]).statistics.load.outputRows);
    }
    const writing = table(c).createWriteStream({ sourceFormat: 'CSV', schema: { fields: c.schema.map(([name, type]) => ({ name, type })) } });
    const finished = new Promise((resolve, reject) => { writing.on('complete', resolve).on('error', reject); });
    await Promise.all([pipeline(Readable.from([c.text]), writing), finished]);
    return Number((await finished).metadata.statistics.load.outputRows);
  },
  async extract(c) { done((await table(c).extract(gcs.bucket(c.bucket).file(c.name), { format: 'CSV' }))[0]); },
  async copy(c) { done((await table(c).copy(bq.dataset(c.to.split('.')[0]).table(c.to.split('.')[1])))[0]); },
};

const file = (c) => gcs.bucket(c.bucket).file(c.name);

const storage = {
  async buckets() { return (await gcs.getBuckets())[0].map((b) => b.name); },
  async create_bucket(c) { await gcs.createBucket(c.bucket); },
  async delete_bucket(c) { await gcs.bucket(c.bucket).delete(); },
  async objects(c) { return (await gcs.bucket(c.bucket).getFiles({ prefix: c.prefix }))[0].map((f) => f.name); },
  // A resumable upload that save() begins itself would send no token: it does not
  // hand on useAuthWithCustomEndpoint, as createResumableUpload() does.
  async put(c) {
    const uri = c.resumable ? (await file(c).createResumableUpload({ metadata: { contentType: c.type } }))[0] : undefined;
    await file(c).save(c.text, { resumable: c.resumable === true, contentType: c.type, ...(uri && { uri }) });
  },
  // validated against the hashes that the service says, when the object is read whole
  async get(c) { return (await file(c).download({ ...(c.length && { start: c.offset ?? 0, end: (c.offset ?? 0) + c.length - 1 }) }))[0].toString('utf8'); },
  // Reads whole and goes on where it broke off. The library leaves that to its caller,
  // and the check of what was put together, which its own checksum is for.
  async resume(c) {
    const [m] = await file(c).getMetadata();
    const at = gcs.bucket(c.bucket).file(c.name, { generation: m.generation });
    const parts = [];
    let got = 0;
    for (let tries = 0; got < Number(m.size); tries++) {
      try {
        for await (const part of at.createReadStream({ validation: false, ...(got && { start: got }) })) {
          parts.push(part);
          got += part.length;
        }
      } catch (e) {
        if (tries === 3) throw e;
      }
    }
    const sum = new CRC32C();
    for (const part of parts) sum.update(part);
    if (!sum.validate(m.crc32c)) throw new Error('the checksum is another');
    return Buffer.concat(parts).toString('utf8');
  },
  async stat(c) {
    const [m] = await file(c).getMetadata();
    return { size: Number(m.size), type: m.contentType ?? '', crc32c: m.crc32c, md5: m.md5Hash };
  },
  async delete(c) { await file(c).delete(); },
  async copy_object(c) { await file(c).copy(gcs.bucket(c.to).file(c.name)); },
};

const known = { ...bigquery, ...storage };

function failure(e) {
  const first = e.errors?.[0] ?? e.response?.data?.error?.errors?.[0] ?? {};
  return { code: Number(e.code ?? e.status) || 0, reason: first.reason ?? '', message: String(first.message ?? e.message) };
}

const results = [];
for (const c of calls) {
  try {
    if (!known[c.call]) throw new Error(`there is no call ${c.call}`);
    results.push({ value: (await known[c.call](c)) ?? null });
  } catch (e) {
    results.push({ error: failure(e) });
  }
}
process.stdout.write(JSON.stringify(results));
