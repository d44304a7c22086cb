// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Reads the Avro file that standard input names, and prints what is in it.
import avsc from "avsc";
import { readFileSync } from "node:fs";

const { path } = JSON.parse(readFileSync(0, "utf8"));
const out = { rows: [] };
await new Promise((resolve, reject) => {
  avsc
    .createFileDecoder(path, { parseHook: (schema) => avsc.Type.forSchema(schema, { wrapUnions: false }) })
    .on("metadata", (type, codec, header) => {
      out.schema = JSON.parse(header.meta["avro.schema"].toString());
      out.codec = codec;
    })
    .on("data", (row) => out.rows.push(row))
    .on("error", reject)
    .on("end", resolve);
});
process.stdout.write(JSON.stringify(out));
