// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bigquery finds out what a request to BigQuery's REST interface does. It
// is pure: a request in, facts out; it opens nothing and decides nothing.
//
// [Analyser.Analyse] takes a request apart in four steps. The path is brought into
// one form and matched to one method of the interface's second version; what
// matches none does not exist. The query parameters and the JSON body are checked
// against what that method knows; a field that is not known is refused by name,
// because it could change what the known ones mean. What the request touches is
// then said as a [sallyport.Statement], and the text of queries is handed to
// [Queries]. [Call.Rewrite] at last writes the request anew from what was matched,
// so that nothing reaches the target that was not judged.
//
// Objects have these paths, below the resource's id: a dataset is {dataset} of
// kind "schema", or {"project.dataset"} in a project that is not the resource's
// own; tables, views, models and routines lie below it, columns below their table.
// A job is {job} and a project {project}. An address in a store is {"gs://bucket",
// folder, file} of kind "url". Time travel and partition decorators are cut off a
// table's name, so that old data has the name of the table that it is of.
//
// A statement's class is the method's id, for a job that is no query with its kind
// behind it ("bigquery.jobs.insert.load"); that of a query is what [Queries] says.
//
// What concerns only what the session itself has made, as the state and the result
// of its own job, has the effect control. That it is the session's own is the
// connector's registry to know; the [Call] says what has to be looked up there. The
// rows of such an answer are unknown, and so masked whole, until the connector puts
// in what the query was judged by.
package bigquery
