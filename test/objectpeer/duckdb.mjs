// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Runs the statements that standard input has, and prints the rows of the last one.
import { DuckDBInstance } from "@duckdb/node-api";
import { readFileSync } from "node:fs";

const statements = JSON.parse(readFileSync(0, "utf8"));
const connection = await (await DuckDBInstance.create(":memory:")).connect();
let rows = [];
for (const sql of statements) {
  rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
}
process.stdout.write(JSON.stringify(rows));
