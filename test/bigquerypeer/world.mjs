// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// The counterpart's state: a DuckDB in memory with one catalogue for each
// project and one schema for each dataset, and beside it what BigQuery keeps of
// datasets and tables that DuckDB has no place for.
import { randomBytes } from 'node:crypto';
import { DuckDBInstance } from '@duckdb/node-api';
import { ApiError, duplicate, fromDuck, invalid, notFound, notImplemented } from './errors.mjs';
import { macros } from './sql.mjs';
import { field, literal, quote } from './types.mjs';

export const tableName = (t) => `${t.projectId}:${t.datasetId}.${t.tableId}`;
export const duckName = (t) => `${quote(t.projectId)}.${quote(t.datasetId)}.${quote(t.tableId)}`;
const key = (...parts) => parts.join('\u0000');

export class World {
  constructor(connection) {
    this.connection = connection;
    this.queue = Promise.resolve();
    this.projects = new Set();
    this.notes = new Map(); // metadata of datasets and tables, by key
    this.jobs = new Map();
    this.masks = []; // {identity, table, columns}
    this.settings = { polls: 0, pageRows: 10_000, storage: null };
    this.identities = new Map(); // token to e-mail address
    this.extracts = [];
  }

  static async create() {
    const instance = await DuckDBInstance.create(':memory:', {
      autoinstall_known_extensions: 'false', autoload_known_extensions: 'false', threads: '2', memory_limit: '1GB',
    });
    const world = new World(await instance.connect());
    await world.run("SET TimeZone = 'UTC'");
    await world.run("SET default_null_order = 'nulls_first'");
    for (const m of macros) await world.run(`CREATE TEMP MACRO ${m}`);
    return world;
  }

  /** run executes SQL of DuckDB's; one statement at a time on the one connection. */
  run(sql) {
    const done = this.queue.then(() => this.connection.runAndReadAll(sql));
    this.queue = done.catch(() => {});
    return done.catch((e) => { throw fromDuck(e); });
  }

  /** script executes several statements of DuckDB's. */
  async script(project, sql) {
    await this.addProject(project);
    const done = this.queue.then(async () => {
      await this.connection.run(`USE ${quote(project)}`);
      try {
        return await this.connection.runAndReadAll(sql);
      } finally {
        await this.connection.run('USE memory');
      }
    });
    this.queue = done.catch(() => {});
    return done;
  }

  async addProject(project) {
    if (this.projects.has(project)) return;
    this.projects.add(project);
    await this.run(`ATTACH ':memory:' AS ${quote(project)}`);
  }

  requireProject(project) {
    if (!this.projects.has(project)) throw notFound('Project', project);
  }

  /** note is the metadata of a dataset or table, made when there is none. */
  note(...path) {
    const k = key(...path);
    if (!this.notes.has(k)) {
      const now = String(Date.now());
      this.notes.set(k, { creationTime: now, lastModifiedTime: now, etag: etag(), fields: new Map() });
    }
    return this.notes.get(k);
  }

  touch(...path) {
    Object.assign(this.note(...path), { lastModifiedTime: String(Date.now()), etag: etag() });
  }

  forget(...path) {
    const k = key(...path);
    for (const each of [...this.notes.keys()]) if (each === k || each.startsWith(`${k}\u0000`)) this.notes.delete(each);
  }

  async rows(sql) { return (await this.run(sql)).getRows(); }

  async datasets(project) {
    const found = await this.rows(`SELECT schema_name FROM duckdb_schemas() WHERE database_name = ${literal(project)} AND NOT internal AND schema_name NOT IN ('main', 'information_schema', 'pg_catalog') ORDER BY 1`);
    return found.map((r) => r[0]);
  }

  async requireDataset(ref) {
    this.requireProject(ref.projectId);
    if (!(await this.datasets(ref.projectId)).includes(ref.datasetId)) throw notFound('Dataset', `${ref.projectId}:${ref.datasetId}`);
  }

  async createDataset(ref, meta = {}) {
    this.requireProject(ref.projectId);
    if (!/^\w{1,1024}$/.test(ref.datasetId ?? '')) throw invalid(`Invalid dataset ID "${ref.datasetId}".`);
    if ((await this.datasets(ref.projectId)).includes(ref.datasetId)) throw duplicate('Dataset', `${ref.projectId}:${ref.datasetId}`);
    await this.run(`CREATE SCHEMA ${quote(ref.projectId)}.${quote(ref.datasetId)}`);
    Object.assign(this.note(ref.projectId, ref.datasetId), meta);
  }

  async dropDataset(ref, contents) {
    await this.requireDataset(ref);
    if (!contents && (await this.tables(ref)).length) {
      const e = invalid(`Dataset ${ref.projectId}:${ref.datasetId} is still in use`);
      e.reason = 'resourceInUse';
      throw e;
    }
    await this.run(`DROP SCHEMA ${quote(ref.projectId)}.${quote(ref.datasetId)} CASCADE`);
    this.forget(ref.projectId, ref.datasetId);
  }

  /** tables lists a dataset's, as [{tableId, type}]. */
  async tables(ref) {
    const where = `WHERE database_name = ${literal(ref.projectId)} AND schema_name = ${literal(ref.datasetId)}`;
    const found = await this.rows(`SELECT table_name, 'TABLE' FROM duckdb_tables() ${where} UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views() ${where} AND NOT internal ORDER BY 1`);
    return found.map(([tableId, type]) => ({ ...ref, tableId, type }));
  }

  async table(ref) {
    await this.requireDataset(ref);
    const found = (await this.tables({ projectId: ref.projectId, datasetId: ref.datasetId })).find((t) => t.tableId === ref.tableId);
    if (!found) throw notFound('Table', tableName(ref));
    return found;
  }

  async dropTable(ref) {
    const t = await this.table(ref);
    await this.run(`DROP ${t.type} ${duckName(ref)}`);
    this.forget(ref.projectId, ref.datasetId, ref.tableId);
  }

  /** schema is a table's TableSchema. */
  async schema(ref) {
    const reader = await this.run(`SELECT * FROM ${duckName(ref)} LIMIT 0`);
    const required = new Set((await this.rows(`SELECT column_name FROM duckdb_columns() WHERE database_name = ${literal(ref.projectId)} AND schema_name = ${literal(ref.datasetId)} AND table_name = ${literal(ref.tableId)} AND NOT is_nullable`)).map((r) => r[0]));
    const notes = this.note(ref.projectId, ref.datasetId, ref.tableId).fields;
    return { fields: this.fields(reader).map((f) => ({ ...f, ...(required.has(f.name) && { mode: 'REQUIRED' }), ...notes.get(f.name) })) };
  }

  /** fields are those of a result. */
  fields(reader) {
    const types = reader.columnTypes();
    return reader.columnNames().map((name, i) => {
      try {
        return field(name, types[i]);
      } catch (e) {
        throw notImplemented(e.message);
      }
    });
  }

  async count(ref) { return Number((await this.rows(`SELECT count(*) FROM ${duckName(ref)}`))[0][0]); }

  /** bytes is a table's size by the rules of BigQuery's "Data size calculation" for scalars, and by the length of the text for the rest; of the whole table, not only of the columns read. */
  async bytes(ref) {
    const reader = await this.run(`SELECT * FROM ${duckName(ref)} LIMIT 0`);
    const parts = this.fields(reader).map((f) => {
      const column = quote(f.name);
      if (f.mode === 'REPEATED' || f.type === 'RECORD' || f.type === 'JSON') return `coalesce(sum(strlen(${column}::VARCHAR)), 0)`;
      if (f.type === 'STRING') return `coalesce(sum(strlen(${column}) + 2), 0)`;
      if (f.type === 'BYTES') return `coalesce(sum(octet_length(${column}) + 2), 0)`;
      return `count(${column}) * ${f.type === 'BOOLEAN' ? 1 : /NUMERIC/.test(f.type) ? 16 : 8}`;
    });
    return Number((await this.rows(`SELECT ${parts.join(' + ') || '0'} FROM ${duckName(ref)}`))[0][0] ?? 0);
  }

  /** anonymous returns the name of a new anonymous result table, in the hidden dataset of an identity. */
  async anonymous(project, identity) {
    const datasetId = anonymousDataset(identity);
    await this.run(`CREATE SCHEMA IF NOT EXISTS ${quote(project)}.${quote(datasetId)}`);
    return { projectId: project, datasetId, tableId: `anon${randomBytes(20).toString('hex')}` };
  }

  /** masksFor are the masked columns that an identity reads a table with, or nothing. */
  masksFor(identity, ref) {
    return this.masks.find((m) => m.identity === identity && m.table === `${ref.projectId}.${ref.datasetId}.${ref.tableId}`)?.columns;
  }

  /** readable is the name in DuckDB that an identity reads a table by. */
  async readable(identity, ref) {
    mayRead(identity, ref);
    const columns = this.masksFor(identity, ref);
    if (!columns) return duckName(ref);
    const view = maskedView(identity, ref);
    for (const sql of view.prelude(columns)) await this.run(sql);
    return `${quote(view.catalog)}.${quote(view.schema)}.${quote(view.table)}`;
  }

  /** everything is a picture of all catalogues, for the resolution of names. */
  async everything() {
    const found = await this.rows('SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal');
    const schemas = await this.rows('SELECT database_name, schema_name FROM duckdb_schemas()');
    return { tables: new Set(found.map((r) => key(...r))), datasets: new Set(schemas.map((r) => key(...r))), all: found };
  }

  /**
   * resolver returns the function that translate wants. What has to be done before
   * the statement runs, views of INFORMATION_SCHEMA and of masks, goes to prelude.
   */
  async resolver({ project, defaultDataset, identity }, prelude) {
    const picture = await this.everything();
    return (written, role) => {
      const datasetId = written.datasetId ?? defaultDataset?.datasetId;
      if (!datasetId) throw invalid(`Table "${written.tableId}" must be qualified with a dataset (e.g. dataset.table).`);
      const projectId = written.projectId ?? (written.datasetId ? project : defaultDataset?.projectId ?? project);
      const ref = { projectId, datasetId, tableId: written.tableId };
      if (!this.projects.has(projectId)) throw notFound('Project', projectId);
      if (!picture.datasets.has(key(projectId, datasetId))) throw notFound('Dataset', `${projectId}:${datasetId} was not found in location US`);
      const plain = { catalog: projectId, schema: datasetId, table: ref.tableId };
      if (role === 'target') return { ...ref, exists: picture.tables.has(key(projectId, datasetId, ref.tableId)), duck: plain };
      mayRead(identity, ref);
      const info = /^INFORMATION_SCHEMA (\w+)$/.exec(ref.tableId);
      if (info) return { ...ref, tableId: `INFORMATION_SCHEMA.${info[1]}`, duck: informationView(ref, info[1], prelude) };
      if (ref.tableId.endsWith('*')) return { ...ref, duck: wildcard(ref, picture.all, prelude) };
      if (!picture.tables.has(key(projectId, datasetId, ref.tableId))) throw notFound('Table', `${tableName(ref)} was not found in location US`);
      const columns = this.masksFor(identity, ref);
      if (!columns) return { ...ref, duck: plain };
      const view = maskedView(identity, ref);
      prelude.push(...view.prelude(columns));
      return { ...ref, duck: view };
    };
  }
}

const anonymousDataset = (identity) => `_anon${Buffer.from(identity).toString('hex').slice(0, 40)}`;

/** mayRead keeps anonymous results to the identity whose they are. */
export function mayRead(identity, ref) {
  if (!ref.datasetId.startsWith('_anon') || ref.datasetId === anonymousDataset(identity)) return;
  throw new ApiError(403, 'accessDenied', `Access Denied: Table ${tableName(ref)}: User does not have permission to query table ${tableName(ref)}, or perhaps it does not exist.`);
}

export const etag = () => randomBytes(12).toString('base64');

function hidden(ref, schema, table, select) {
  return {
    catalog: ref.projectId, schema, table,
    sql: [`CREATE SCHEMA IF NOT EXISTS ${quote(ref.projectId)}.${quote(schema)}`, `CREATE OR REPLACE VIEW ${quote(ref.projectId)}.${quote(schema)}.${quote(table)} AS ${select}`],
  };
}

function maskedView(identity, ref) {
  const schema = '_masked';
  const table = `${identity} ${ref.datasetId}.${ref.tableId}`;
  return {
    catalog: ref.projectId, schema, table,
    prelude: (columns) => hidden(ref, schema, table, `SELECT * REPLACE (${Object.entries(columns).map(([c, e]) => `${e} AS ${quote(c)}`).join(', ')}) FROM ${duckName(ref)}`).sql,
  };
}

const informationColumns = {
  TABLES: "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, 'BASE TABLE' AS table_type, CASE WHEN true THEN 'YES' END AS is_insertable_into FROM duckdb_tables() WHERE database_name = $P AND schema_name = $D UNION ALL SELECT database_name, schema_name, view_name, 'VIEW', 'NO' FROM duckdb_views() WHERE database_name = $P AND schema_name = $D AND NOT internal",
  COLUMNS: "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, column_name, column_index::BIGINT AS ordinal_position, CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable, $T AS data_type FROM duckdb_columns() WHERE database_name = $P AND schema_name = $D",
};

function informationView(ref, name, prelude) {
  const type = "CASE data_type WHEN 'BIGINT' THEN 'INT64' WHEN 'VARCHAR' THEN 'STRING' WHEN 'DOUBLE' THEN 'FLOAT64' WHEN 'BOOLEAN' THEN 'BOOL' WHEN 'BLOB' THEN 'BYTES' WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP' WHEN 'TIMESTAMP' THEN 'DATETIME' WHEN 'DECIMAL(38,9)' THEN 'NUMERIC' ELSE data_type END";
  const select = informationColumns[name]?.replace('$T', type).replaceAll('$P', literal(ref.projectId)).replaceAll('$D', literal(ref.datasetId));
  if (!select) throw notImplemented(`INFORMATION_SCHEMA.${name} is not served`);
  const view = hidden(ref, '_information', `${ref.datasetId} ${name}`, select);
  prelude.push(...view.sql);
  return view;
}

function wildcard(ref, all, prelude) {
  const start = ref.tableId.slice(0, -1);
  const parts = all.filter(([p, d, t]) => p === ref.projectId && d === ref.datasetId && t.startsWith(start));
  if (!parts.length) throw notFound('Table', `${tableName(ref)} does not match any table`);
  const select = parts.map(([p, d, t]) => `SELECT *, ${literal(t.slice(start.length))} AS _TABLE_SUFFIX FROM ${quote(p)}.${quote(d)}.${quote(t)}`).join(' UNION ALL BY NAME ');
  const view = hidden(ref, '_wildcard', `${ref.datasetId} ${ref.tableId}`, select);
  prelude.push(...view.sql);
  return view;
}
