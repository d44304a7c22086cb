// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package policy compiles Cedar policies and decides by them. It is pure: files
// come in as text, the time comes in with the query, and every answer is a
// [sallyport.Verdict], never an error: whatever goes wrong is a Deny with a
// reason.
//
// A [Set] is made by [Compile], which reports every problem of every file with
// its line, and is immutable; all its methods are safe for concurrent use. The
// nil *Set denies everything.
//
// # How a statement is decided
//
// [Set.Decide] turns a statement into authorization requests and combines their
// answers:
//
//   - one request per access, with the effect's name as the action;
//   - one filterBy request per label of each predicate column;
//   - one declassify request for each label that flows into a column which does
//     not carry it;
//   - one readRaw request per label of each source column of each output. What
//     is not permitted is masked; an output of unknown lineage is masked
//     whatever the policies say;
//   - one readScanned request for each of those labels, to show the values with
//     a scanner's findings masked instead.
//
// Any denial denies; else any hold holds; else the statement is allowed.
//
// A forbid annotated with @hold is lifted by an approval, one annotated with
// @grant by a grant. The verdict is Hold only if every forbid that decides
// carries the annotation and the same question with a synthetic approval (or
// grant) in its context is allowed, so a human is never asked for something
// that would be denied anyway.
//
// # Where this is stricter than Cedar
//
// Cedar leaves out a policy whose evaluation fails. Here a failing forbid
// denies, because a prohibition must not vanish through an absent attribute.
//
// # Speed
//
// Scopes are resolved by an index over action and resource; Cedar evaluates
// only the conditions of those policies whose scope matches, and the context
// holds only what these conditions look at. The tests hold this equal to one
// linear policy set evaluated by Cedar alone.
package policy
