// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package googlesql finds out what a GoogleSQL text for BigQuery does. It is pure:
// text in, facts out.
//
// [Read] reads the text with GoogleSQL's own grammar before anything is forwarded:
// which statements, what each does to which tables, which functions it calls. It
// resolves no column. Then [Script.Statement] says the same in the words that
// policies speak, given a catalogue of the tables and, where there is one, a
// lineage that resolved the columns (package lineage). Without a lineage every
// output is unknown and may hold whatever the tables hold.
//
// The nodes of the grammar that are understood are a closed list. A text with any
// other is refused, as are legacy SQL, texts that are only known when they run, and
// whatever exceeds the limits.
package googlesql
