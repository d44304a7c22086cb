// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package meta is what the connector for BigQuery knows of tables, and what follows
// from it: the lineage of queries, and the columns of answers with their masks.
//
// A [Catalogue] reads tables from the target and joins their columns with a file of
// labels. It answers the analysis of requests itself, and that of a text by a
// snapshot, so that every question about one text has answers of one state.
// [Queries] reads texts with it. [Columns] and [Catalogue.TableColumns] say of each
// column of an answer what the verdict has done to it.
//
// Names of columns ignore case, as they do for BigQuery, in the file of labels too.
// A field of a record has a line of its own, the field's path in quotes
// (clinic.visits."vitals.pulse"), or the labels of the record around it. A dataset of
// another project is named with it: '"other-project.clinic".patients.ssn'.
//
// What cannot be known is an error or unknown, never empty: a table that the target
// does not have is not known, and a target that does not answer ends the analysis.
package meta
