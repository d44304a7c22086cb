// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import "strings"

// hiddenName stands for a name that looks like data.
const hiddenName = "<name>"

// shown returns a name of a field or parameter, or what stands for one that is
// no plain word and so may be data.
func shown(name string) string {
	if len(name) > 60 || digits(name) >= 4 || !word(name, ".$-") {
		return hiddenName
	}
	return name
}

// readableName returns a part of an object's name, or what stands for one that
// may be data: it has four digits in a row or characters that are no word's.
func readableName(s string) string {
	if digits(s) >= 4 || !word(s, "-.:") || len(s) > 100 {
		return hiddenName
	}
	return s
}

func (a *Analyser) readableDataset(d Dataset) string {
	if d.Project == a.config.Project {
		return readableName(d.ID)
	}
	return readableName(d.Project) + "." + readableName(d.ID)
}

func (a *Analyser) readableTable(t Table) string {
	out := a.readableDataset(t.Dataset) + "." + readableName(t.ID)
	if strings.ContainsRune(t.Decorator, '$') {
		out += " (a partition)"
	}
	if t.Old() {
		out += " (at an earlier time)"
	}
	return out
}

// digits returns the length of the longest run of digits.
func digits(s string) (longest int) {
	run := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
