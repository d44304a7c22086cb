// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Types and values: DuckDB's on one side, the JSON of BigQuery's REST interface
// on the other.
import { DuckDBTypeId as T } from '@duckdb/node-api';

const scalars = new Map([
  [T.BOOLEAN, 'BOOLEAN'], [T.TINYINT, 'INTEGER'], [T.SMALLINT, 'INTEGER'], [T.INTEGER, 'INTEGER'],
  [T.BIGINT, 'INTEGER'], [T.UTINYINT, 'INTEGER'], [T.USMALLINT, 'INTEGER'], [T.UINTEGER, 'INTEGER'],
  [T.UBIGINT, 'INTEGER'], [T.HUGEINT, 'INTEGER'], [T.UHUGEINT, 'INTEGER'], [T.FLOAT, 'FLOAT'], [T.DOUBLE, 'FLOAT'],
  [T.VARCHAR, 'STRING'], [T.BLOB, 'BYTES'], [T.DATE, 'DATE'], [T.TIME, 'TIME'], [T.TIMESTAMP, 'DATETIME'],
  [T.TIMESTAMP_S, 'DATETIME'], [T.TIMESTAMP_MS, 'DATETIME'], [T.TIMESTAMP_NS, 'DATETIME'],
  [T.TIMESTAMP_TZ, 'TIMESTAMP'], [T.UUID, 'STRING'], [T.ENUM, 'STRING'], [T.SQLNULL, 'INTEGER'], [T.INTERVAL, 'INTERVAL'],
]);

/** field is the TableFieldSchema of a column. */
export function field(name, type, required = false) {
  if (type.typeId === T.LIST || type.typeId === T.ARRAY) {
    return { ...field(name, type.valueType), mode: 'REPEATED' };
  }
  const mode = required ? 'REQUIRED' : 'NULLABLE';
  if (type.typeId === T.STRUCT) {
    return { name, type: 'RECORD', mode, fields: type.entryNames.map((n, i) => field(n, type.entryTypes[i])) };
  }
  if (type.typeId === T.DECIMAL) return { name, type: type.scale > 9 ? 'BIGNUMERIC' : 'NUMERIC', mode };
  if (type.alias === 'JSON') return { name, type: 'JSON', mode };
  const known = scalars.get(type.typeId);
  if (!known) throw new Error(`the counterpart has no BigQuery type for ${type}`);
  return { name, type: known, mode };
}

const duck = new Map(Object.entries({
  STRING: 'VARCHAR', BYTES: 'BLOB', INTEGER: 'BIGINT', INT64: 'BIGINT', INT: 'BIGINT', BIGINT: 'BIGINT', SMALLINT: 'BIGINT',
  FLOAT: 'DOUBLE', FLOAT64: 'DOUBLE', BOOLEAN: 'BOOLEAN', BOOL: 'BOOLEAN', TIMESTAMP: 'TIMESTAMPTZ', DATE: 'DATE', TIME: 'TIME',
  DATETIME: 'TIMESTAMP', NUMERIC: 'DECIMAL(38,9)', BIGNUMERIC: 'DECIMAL(38,18)', JSON: 'JSON', INTERVAL: 'INTERVAL',
}));

/** quote makes an identifier of DuckDB's. */
export const quote = (name) => `"${String(name).replaceAll('"', '""')}"`;

/** literal makes a string of DuckDB's. */
export const literal = (text) => `'${String(text).replaceAll("'", "''")}'`;

/** duckType is DuckDB's type for a TableFieldSchema; undefined when there is none. */
export function duckType(f) {
  const name = String(f.type ?? '').toUpperCase();
  let type = duck.get(name);
  if (name === 'RECORD' || name === 'STRUCT') {
    const parts = (f.fields ?? []).map((c) => [c.name, duckType(c)]);
    if (!parts.length || parts.some((p) => !p[1])) return undefined;
    type = `STRUCT(${parts.map(([n, t]) => `${quote(n)} ${t}`).join(', ')})`;
  }
  return type && f.mode?.toUpperCase() === 'REPEATED' ? `${type}[]` : type;
}

const pad = (n, width = 2) => String(n).padStart(width, '0');

function clock(micros) {
  const s = micros / 1_000_000n;
  const rest = micros % 1_000_000n;
  const hms = `${pad(s / 3600n)}:${pad((s / 60n) % 60n)}:${pad(s % 60n)}`;
  return rest ? `${hms}.${pad(rest, 6)}` : hms;
}

const dayMicros = 86_400_000_000n;

function civil(days) {
  const d = new Date(Number(days) * 86_400_000);
  return `${pad(d.getUTCFullYear(), 4)}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`;
}

function datetime(micros) {
  let days = micros / dayMicros;
  let rest = micros % dayMicros;
  if (rest < 0n) { rest += dayMicros; days -= 1n; }
  return `${civil(days)}T${clock(rest)}`;
}

function float(v) {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? 'Infinity' : '-Infinity';
  return Number.isInteger(v) && Math.abs(v) < 1e15 ? v.toFixed(1) : String(v);
}

function timestamp(micros, format) {
  switch (format) {
    case 'INT64': return String(micros);
    case 'ISO8601_STRING': return `${datetime(micros)}Z`;
    default: return `${Number(micros) / 1e6 === 0 ? '0.0' : (Number(micros) / 1e6).toExponential().replace('e+', 'E').replace('e-', 'E-')}`;
  }
}

/** value is the JSON of one value of DuckDB's: what stands for it under "v". */
export function value(v, type, format) {
  const list = type.typeId === T.LIST || type.typeId === T.ARRAY;
  if (v === null || v === undefined) return list ? [] : null; // an array is never NULL in a result
  if (list) return v.items.map((item) => ({ v: value(item, type.valueType, format) }));
  switch (type.typeId) {
    case T.STRUCT:
      return { f: type.entryNames.map((n, i) => ({ v: value(v.entries[n], type.entryTypes[i], format) })) };
    case T.FLOAT: case T.DOUBLE: return float(v);
    case T.BLOB: return Buffer.from(v.bytes).toString('base64');
    case T.DATE: return civil(v.days);
    case T.TIME: return clock(v.micros);
    case T.TIMESTAMP: return datetime(v.micros);
    case T.TIMESTAMP_TZ: return timestamp(v.micros, format);
    case T.DECIMAL: {
      const text = v.toString();
      return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
    }
    default: return String(v);
  }
}

/** rows is the "rows" of an answer. */
export function rows(reader, format, indexes) {
  const types = reader.columnTypes();
  const columns = indexes ?? types.map((_, i) => i);
  return reader.getRows().map((r) => ({ f: columns.map((i) => ({ v: value(r[i], types[i], format) })) }));
}

/** timestampFormat reads the two ways in which a client asks for a format. */
export function timestampFormat(params) {
  const get = (name) => params[`formatOptions.${name}`] ?? params.formatOptions?.[name];
  const named = get('timestampOutputFormat');
  if (named && named !== 'TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED') return named;
  return String(get('useInt64Timestamp')) === 'true' ? 'INT64' : 'FLOAT64';
}

const quoted = (s) => `'${String(s).replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;

/** parameter writes a query parameter's value as an expression of GoogleSQL. */
export function parameter(type, v) {
  const kind = String(type?.type ?? '').toUpperCase();
  if (kind === 'ARRAY') {
    const items = (v?.arrayValues ?? []).map((x) => parameter(type.arrayType, x));
    return items.length ? `[${items.join(', ')}]` : `CAST([] AS ${parameterType(type)})`;
  }
  if (kind === 'STRUCT') {
    return `STRUCT(${(type.structTypes ?? []).map((f) => `${parameter(f.type, v?.structValues?.[f.name])} AS \`${f.name}\``).join(', ')})`;
  }
  if (v?.value === undefined || v.value === null) return `CAST(NULL AS ${kind})`;
  if (kind === 'BYTES') return `FROM_BASE64(${quoted(v.value)})`;
  return `CAST(${quoted(v.value)} AS ${kind})`;
}

function parameterType(type) {
  return type.type === 'ARRAY' ? `ARRAY<${parameterType(type.arrayType)}>` : type.type;
}
