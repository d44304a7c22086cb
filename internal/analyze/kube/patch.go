// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"strings"
)

// change is one of a list of changes (JSON Patch): what it does, where, and with what.
type change struct {
	op       string
	at, from []string // segments
	value    any
}

// changes are those of a list of changes.
func (d *Document) changes() (out []change) {
	list, _ := d.root.([]any)
	for _, item := range list {
		member, _ := item.(map[string]any)
		op, _ := member["op"].(string)
		out = append(out, change{op: op, at: pointer(member["path"]), from: pointer(member["from"]), value: member["value"]})
	}
	return out
}

// pointer takes a pointer to a member apart.
func pointer(v any) []string {
	s, _ := v.(string)
	if s == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts
}

// Labels are those that the object has, where the body is one, or that a list of changes
// gives it.
func (d *Document) Labels() map[string]string {
	out := labelsOf(d.root)
	for _, c := range d.changes() {
		value := c.value
		for _, name := range slices.Backward(c.at) {
			value = map[string]any{name: value}
		}
		maps.Copy(out, labelsOf(value))
	}
	return out
}

func labelsOf(root any) map[string]string {
	object, _ := root.(map[string]any)
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	out := map[string]string{}
	for k, v := range labels {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// Relabels reports whether a list of changes takes labels from elsewhere in the object:
// nobody knows then which the object will have.
func (d *Document) Relabels() bool {
	return slices.ContainsFunc(d.changes(), func(c change) bool {
		labels := []string{"metadata", "labels"}
		return (c.op == "copy" || c.op == "move") && slices.Equal(c.at[:min(len(c.at), 2)], labels[:min(len(c.at), 2)])
	})
}

// Reads reports whether a list of changes depends on what the object holds: copies of it
// would stand where no mask looks for them, and a test tells whether a guess is right.
func (d *Document) Reads() bool {
	return slices.ContainsFunc(d.changes(), func(c change) bool {
		switch c.op {
		case "add", "remove", "replace":
			return false
		case "test":
			return !(len(c.at) == 2 && c.at[0] == "metadata" && (c.at[1] == "resourceVersion" || c.at[1] == "uid" || c.at[1] == "generation"))
		}
		return true
	})
}
