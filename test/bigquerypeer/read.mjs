// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// What the Storage Read API reads; readapi speaks it and makes Arrow of this.
import { invalid, notImplemented } from './errors.mjs';
import { split, translate } from './sql.mjs';
import { rows } from './types.mjs';

const name = (n) => `\`${n}\``;

/** readTable reads a part of a table: {schema, rows, more}. Timestamps are in microseconds. */
export async function readTable(world, { identity, table: ref, fields, restriction, offset, limit }) {
  const found = await world.table(ref);
  if (found.type === 'VIEW') throw invalid(`request failed: table ${ref.tableId} has type VIEW, which cannot be read by the Storage API`);
  const all = (await world.schema(ref)).fields;
  for (const f of fields ?? []) {
    if (f.includes('.')) throw notImplemented('A field of a record is not selected alone');
    if (!all.some((c) => c.name === f)) throw invalid(`request failed: The following selected fields do not exist in the table schema: ${f}`);
  }
  const schema = fields?.length ? all.filter((c) => fields.includes(c.name)) : all;
  const where = restriction ? ` WHERE (${restriction})` : '';
  const text = `SELECT ${schema.map((c) => name(c.name)).join(', ')} FROM ${['projectId', 'datasetId', 'tableId'].map((k) => name(ref[k])).join('.')}${where}`;
  const parts = split(text);
  if (parts.length !== 1) throw invalid('request failed: Row restriction is not one expression');
  const prelude = [];
  const made = translate(parts[0], { resolve: await world.resolver({ project: ref.projectId, identity }, prelude), identity });
  if (made.references.length !== 1) throw invalid('request failed: Row restriction must not have a subquery');
  for (const sql of prelude) await world.run(sql);
  const reader = await world.run(`${made.sql} LIMIT ${Number(limit) + 1} OFFSET ${Number(offset)}`);
  const got = rows(reader, 'INT64');
  return { schema, rows: got.slice(0, limit), more: got.length > limit };
}
