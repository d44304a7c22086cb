// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package postgres finds out what a PostgreSQL statement does and where its
// answer comes from. It is pure: text in, facts out.
//
// There are two stages. The gate ([Gate]) reads the text with PostgreSQL's own
// grammar before anything is forwarded: which statements, which effects, which
// objects and functions by name, and which of them can never pass. The lineage
// ([Lineage]) reads the query tree that the server itself prints once it has
// resolved every name and expanded every view, and follows each output column to
// the base columns that it derives from.
//
// Whatever is not known to be harmless counts as unknown: an unlisted grammar
// node refuses the statement, an unlisted tree node makes every output unknown.
//
// The grammar is that of PostgreSQL 17, the trees are those of 14 to 18.
package postgres
