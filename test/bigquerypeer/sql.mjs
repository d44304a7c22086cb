// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// GoogleSQL to DuckDB's SQL: a pass over the tokens for what the transpiler does
// not know, one over its syntax tree for names, and then the transpiler itself.
import * as polyglot from '@polyglot-sql/sdk';
import { invalidQuery, notFound, notImplemented } from './errors.mjs';
import { blank, closing, join, next, statements, tokenize, words } from './tokens.mjs';
import { parameter } from './types.mjs';

// Functions that the transpiler gets wrong or does not know, by the name of a
// macro or function of DuckDB's that does the same.
const functions = new Map(Object.entries({
  REGEXP_CONTAINS: 'bq_regexp_contains', FORMAT: 'printf', FARM_FINGERPRINT: 'bq_fingerprint', ERROR: 'error', TIMESTAMP_MICROS: 'bq_micros', TIMESTAMP_MILLIS: 'bq_millis',
  TIMESTAMP_SECONDS: 'to_timestamp', UNIX_MICROS: 'epoch_us', UNIX_MILLIS: 'epoch_ms',
  SHA256: 'bq_sha256', SHA1: 'bq_sha1', MD5: 'bq_md5', TO_HEX: 'bq_to_hex', FROM_HEX: 'unhex', TO_BASE64: 'bq_to_base64', FROM_BASE64: 'from_base64',
  GENERATE_UUID: 'uuid', ARRAY_LENGTH: 'len', ANY_VALUE: 'any_value', LOGICAL_OR: 'bool_or', LOGICAL_AND: 'bool_and', IEEE_DIVIDE: 'bq_ieee_divide',
  SAFE_CONVERT_BYTES_TO_STRING: 'decode', UNIX_SECONDS: 'bq_unix_seconds', CONTAINS_SUBSTR: 'bq_contains_substr', TO_CODE_POINTS: 'bq_code_points',
}));

/** macros are defined on the connection, for every statement. */
export const macros = [
  'bq_micros(n) AS make_timestamptz(n)', 'bq_millis(n) AS make_timestamptz(n * 1000)',
  "bq_regexp_contains(s, r) AS regexp_matches(s, r)", 'bq_fingerprint(s) AS (hash(s) >> 1)::BIGINT',
  'bq_sha256(s) AS unhex(sha256(s))', 'bq_sha1(s) AS unhex(sha1(s))', 'bq_md5(s) AS unhex(md5(s))', 'bq_to_hex(b) AS lower(hex(b))',
  'bq_to_base64(b) AS to_base64(b::BLOB)', 'bq_ieee_divide(a, b) AS a::DOUBLE / b', 'bq_unix_seconds(t) AS epoch(t)::BIGINT',
  'bq_contains_substr(s, p) AS contains(lower(s::VARCHAR), lower(p))', "bq_code_points(s) AS list_transform(string_split(s, ''), c -> unicode(c)::BIGINT)",
];

const kinds = [
  [/^(WITH|SELECT|FROM)\b/, 'SELECT'], [/^INSERT/, 'INSERT'], [/^UPDATE/, 'UPDATE'], [/^DELETE/, 'DELETE'], [/^MERGE/, 'MERGE'], [/^TRUNCATE/, 'TRUNCATE_TABLE'],
  [/^CREATE (OR REPLACE )?(TEMP |TEMPORARY )?TABLE/, 'CREATE_TABLE'], [/^CREATE (OR REPLACE )?VIEW/, 'CREATE_VIEW'], [/^CREATE SCHEMA/, 'CREATE_SCHEMA'],
  [/^DROP TABLE/, 'DROP_TABLE'], [/^DROP VIEW/, 'DROP_VIEW'], [/^DROP SCHEMA/, 'DROP_SCHEMA'], [/^ALTER TABLE/, 'ALTER_TABLE'], [/^EXPORT DATA/, 'EXPORT_DATA'],
];

/** split makes statements of a query's text, each with its kind. */
export function split(text) {
  return statements(text).map((tokens) => {
    const start = words(tokens, 5).join(' ');
    const kind = kinds.find(([re]) => re.test(start))?.[1];
    if (!kind) throw start ? notImplemented(`The statement ${start.split(' ')[0]} is not served`) : invalidQuery('Syntax error: Unexpected token');
    const as = kind === 'CREATE_TABLE' && tokens.some((t) => /^as$/i.test(t.text)) && tokens.some((t) => /^(select|with)$/i.test(t.text));
    return { kind: as ? 'CREATE_TABLE_AS_SELECT' : kind, tokens };
  });
}

/** bind replaces query parameters by literals. */
function bind(tokens, mode, parameters) {
  let position = 0;
  const named = new Map((parameters ?? []).filter((p) => p.name).map((p) => [p.name.toLowerCase(), p]));
  return tokens.map((t) => {
    if (t.kind !== 'parameter') return t;
    let p;
    if (t.text === '?') {
      if (mode?.toUpperCase() === 'NAMED') throw invalidQuery('Positional parameters are not supported in named parameter mode');
      p = parameters?.[position++];
    } else {
      p = named.get(t.text.slice(1).toLowerCase());
    }
    if (!p) throw invalidQuery(t.text === '?' ? 'Not enough positional query parameters' : `Query parameter '${t.text.slice(1)}' not found`);
    return { kind: 'literal', text: parameter(p.parameterType, p.parameterValue) };
  });
}

const dequote = (t) => t.slice(1, -1).replaceAll('\\`', '`');

/** names splits `p.d.t` into `p`.`d`.`t`, and hides INFORMATION_SCHEMA from the transpiler. */
function names(tokens) {
  const out = [];
  for (const t of tokens) {
    if (t.kind !== 'quoted') { out.push(t); continue; }
    dequote(t.text).split('.').forEach((part, i) => {
      if (i) out.push({ kind: 'symbol', text: '.' });
      out.push({ kind: 'quoted', text: `\`${part}\`` });
    });
  }
  for (let i = 0; i + 2 < out.length; i++) {
    if (/^`?INFORMATION_SCHEMA`?$/i.test(out[i].text) && out[i + 1].text === '.') {
      const view = out[i + 2].text.replaceAll('`', '').toUpperCase();
      out.splice(i, 3, { kind: 'quoted', text: `\`INFORMATION_SCHEMA ${view}\`` });
    }
  }
  return out;
}

// The transpiler makes DuckDB's TIMESTAMP, which has no zone, of BigQuery's. These
// two it leaves alone; their meaning is put in afterwards.
const instant = 'BQ_INSTANT';
const elements = 'BQ_ELEMENTS';
const restore = new Map([[instant, 'TIMESTAMPTZ'], [elements, 'unnest']]);

/** unnests writes UNNEST(x) AS a WITH OFFSET o, where it is in FROM, as a subquery of DuckDB's. */
function unnests(tokens) {
  const out = [];
  for (let i = 0; i < tokens.length; i++) {
    const before = out.findLast((t) => !blank(t))?.text ?? '';
    const open = next(tokens, i + 1);
    if (!/^unnest$/i.test(tokens[i].text) || tokens[open]?.text !== '(' || !/^(,|from|join)$/i.test(before)) { out.push(tokens[i]); continue; }
    const close = closing(tokens, open);
    const array = join(unnests(tokens.slice(open + 1, close)));
    let at = close;
    const word = (re) => { const j = next(tokens, at + 1); return re.test(tokens[j]?.text ?? '') ? ((at = j), tokens[j].text) : undefined; };
    const name = /^(?!(where|with|join|left|inner|cross|right|full|on|group|order|limit|union|qualify|having|window)$)[`A-Za-z_]/i;
    const alias = () => { word(/^as$/i); return word(name); };
    const column = alias() ?? 'element_';
    let offset;
    if (word(/^with$/i)) { word(/^offset$/i); offset = alias() ?? '`offset`'; }
    const index = offset ? `, generate_subscripts(${array}, 1) - 1 AS ${offset}` : '';
    out.push({ kind: 'literal', text: `(SELECT ${elements}(${array}) AS ${column}${index})` });
    i = at;
  }
  return out;
}

/** adapt rewrites tokens that the transpiler or DuckDB would not take. */
function adapt(kind, tokens, identity) {
  const out = [];
  const ddl = /^(CREATE|ALTER)_/.test(kind);
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i];
    const upper = t.kind === 'word' ? t.text.toUpperCase() : '';
    const after = next(tokens, i + 1);
    if (upper === 'TIMESTAMP' && tokens[after]?.kind === 'string') {
      out.push({ kind: 'literal', text: `CAST(${tokens[after].text} AS ${instant})` });
      i = after;
    } else if (upper === 'TIMESTAMP' && tokens[after]?.text !== '(' && out.at(-1)?.text !== '.') {
      out.push({ kind: 'word', text: instant });
    } else if (upper === 'SESSION_USER' && tokens[after]?.text === '(') {
      out.push({ kind: 'string', text: `'${identity}'` });
      i = closing(tokens, after);
    } else if (functions.has(upper) && tokens[after]?.text === '(' && out.at(-1)?.text !== '.') {
      out.push({ kind: 'word', text: functions.get(upper) });
    } else if (t.kind === 'number' && /[.eE]/.test(t.text) && !/^0x/i.test(t.text)) {
      out.push({ kind: 'number', text: `CAST(${t.text} AS FLOAT64)` }); // DuckDB would make a DECIMAL of it
    } else if (upper === 'FOR' && /^system_time$/i.test(tokens[after]?.text ?? '')) {
      i = timeTravel(tokens, after);
    } else if (ddl && upper === 'OPTIONS' && tokens[after]?.text === '(') {
      i = closing(tokens, after);
    } else if (ddl && (upper === 'PARTITION' || upper === 'CLUSTER') && /^by$/i.test(tokens[after]?.text ?? '') && !out.some((o) => /^(over|select)$/i.test(o.text))) {
      i = clauseEnd(tokens, after);
    } else if (upper === 'INSERT' && kind === 'INSERT' && !/^into$/i.test(tokens[after]?.text ?? '')) {
      out.push(t, { kind: 'word', text: ' INTO' });
    } else out.push(t);
  }
  return out;
}

// AS OF and one expression: everything to the next clause.
function timeTravel(tokens, i) {
  for (let depth = 0, j = i + 1; j < tokens.length; j++) {
    if (tokens[j].text === '(') depth++;
    if (tokens[j].text === ')' && --depth < 0) return j - 1;
    if (depth === 0 && (tokens[j].text === ',' || /^(where|join|left|inner|cross|full|right|group|order|limit|union|qualify|having)$/i.test(tokens[j].text))) return j - 1;
  }
  return tokens.length - 1;
}

function clauseEnd(tokens, i) {
  for (let j = i + 1; j < tokens.length; j++) {
    if (tokens[j].text === '(') { j = closing(tokens, j); continue; }
    if (/^(as|cluster|options|like|copy|clone)$/i.test(tokens[j].text)) return j - 1;
  }
  return tokens.length - 1;
}

// Every node of the tree that names a table has these three.
const isTable = (o) => o && typeof o === 'object' && o.name && typeof o.name.name === 'string' && 'schema' in o && 'catalog' in o;

function walk(node, visit) {
  if (Array.isArray(node)) node.forEach((n) => walk(n, visit));
  else if (node && typeof node === 'object') {
    visit(node);
    Object.values(node).forEach((n) => walk(n, visit));
  }
}

const identifier = (name) => ({ name, quoted: true, trailing_comments: [], span: null });

/** nameColumns gives columns without a name those that BigQuery gives them. */
function nameColumns(node) {
  for (const set of ['union', 'intersect', 'except']) if (node[set]) return nameColumns(node[set].left);
  if (node.subquery) return nameColumns(node.subquery.this);
  if (!node.select) return;
  let n = 0;
  node.select.expressions = node.select.expressions.map((e) => {
    if (e.column || e.alias || e.star || e.dot || e.aliases) return e;
    return { alias: { this: e, alias: identifier(`f${n++}_`), column_aliases: [], alias_explicit_as: true, pre_alias_comments: [], trailing_comments: [] } };
  });
}

/**
 * translate makes DuckDB's SQL of one statement. resolve(ref) gets {projectId,
 * datasetId, tableId} as far as it was written, and returns the canonical three
 * with the DuckDB names to read from. The answer has the table that is the
 * statement's target, and the others.
 */
export function translate(statement, options) {
  const { kind } = statement;
  const text = join(adapt(kind, unnests(names(bind(statement.tokens.filter((t) => t.kind !== 'comment' || /\n/.test(t.text)).map((t) => (blank(t) ? { kind: 'space', text: ' ' } : t)), options.parameterMode, options.queryParameters))), options.identity));
  const parsed = polyglot.parse(text, 'bigquery');
  if (!parsed.success) throw invalidQuery(`Syntax error: ${parsed.error}`);
  const ast = parsed.ast;
  if (ast.length !== 1) throw invalidQuery('Syntax error: Expected end of input');
  const ctes = new Set();
  walk(ast, (o) => { if (o.alias_first !== undefined && o.alias?.name) ctes.add(o.alias.name.toLowerCase()); });
  const references = [];
  let target;
  const aliases = new Set();
  const named = new Set();
  walk(ast, (o) => { if (o.this?.table) named.add(o.this.table); });
  walk(ast, (o) => { if (typeof o.alias?.name === 'string') aliases.add(o.alias.name); });
  walk(ast, (o) => {
    if (!isTable(o)) return;
    const written = { projectId: o.catalog?.name, datasetId: o.schema?.name, tableId: o.name.name };
    if (!written.datasetId && ctes.has(written.tableId.toLowerCase())) return;
    if (!written.projectId && aliases.has(written.datasetId)) throw notImplemented('An array in FROM without UNNEST is not served');
    const first = kind !== 'SELECT' && kind !== 'EXPORT_DATA' && !target;
    const found = options.resolve(written, first ? 'target' : 'source');
    if (first) target = found; else references.push(found);
    o.catalog = identifier(found.duck.catalog);
    o.schema = identifier(found.duck.schema);
    o.name = identifier(found.duck.table);
    if (o.alias === null && !first && !named.has(o)) o.alias = identifier(written.tableId);
  });
  if (kind === 'SELECT') nameColumns(ast[0]);
  if (kind === 'CREATE_TABLE_AS_SELECT') nameColumns(ast[0].create_table.as_select);
  const canonical = polyglot.generate(ast, 'bigquery');
  if (!canonical.success) throw notImplemented(canonical.error);
  const made = polyglot.transpile(canonical.sql[0], 'bigquery', 'duckdb');
  if (!made.success) throw notImplemented(made.error);
  const sql = join(tokenize(made.sql[0]).map((t) => (t.kind === 'word' && restore.has(t.text) ? { ...t, text: restore.get(t.text) } : t)));
  return { kind, sql, target, references };
}

/** schemaName reads the name of CREATE SCHEMA and DROP SCHEMA. */
export function schemaName(tokens, project) {
  const path = names(tokens).filter((t) => !blank(t));
  const i = path.findIndex((t) => /^schema$/i.test(t.text)) + 1;
  let rest = path.slice(i);
  const conditional = /^if$/i.test(rest[0]?.text ?? '');
  if (conditional) rest = rest.slice(/^not$/i.test(rest[1]?.text ?? '') ? 3 : 2);
  const parts = [];
  let text = '';
  for (const t of rest) {
    if (/^(options|cascade|restrict|default)$/i.test(t.text)) break;
    if (t.text === '.') { parts.push(text); text = ''; } else text += t.text.replaceAll('`', '');
  }
  parts.push(text);
  if (!parts.at(-1) || parts.length > 2) throw notFound('Dataset', parts.join('.'));
  const cascade = path.some((t) => /^cascade$/i.test(t.text));
  return { projectId: parts.length === 2 ? parts[0] : project, datasetId: parts.at(-1), conditional, cascade };
}
