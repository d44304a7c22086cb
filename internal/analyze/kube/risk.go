// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Risks name what a pod would get beyond what it is: the node's files, its network, a
// Secret, another service account, a ConfigMap with labels that the pod has not. Whoever
// makes such a pod can read what they may not read themselves. They are looked for by
// name wherever they stand in the body, and in the paths of a list of changes.
func (l *Layout) Risks(c *Call, d *Document) []string {
	var found []string
	add := func(name string) {
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	own, _ := l.Labels(c)
	walk(d.root, nil, func(path []string, v any) {
		name := path[len(path)-1]
		if risky(name, v) || configMap(name) && l.beyond(own, c.Namespace, v) {
			add(name)
		}
	})
	for _, change := range d.changes() {
		for _, name := range append(change.at, change.from...) {
			if riskyName(name) || configMap(name) && l.beyond(own, c.Namespace, nil) {
				add(name)
			}
		}
	}
	slices.Sort(found)
	return found
}

// configMap reports whether a member has a pod get a ConfigMap.
func configMap(name string) bool {
	return name == "configMap" || name == "configMapRef" || name == "configMapKeyRef"
}

// beyond reports whether the ConfigMap that v refers to, or any in the namespace where v
// does not say which, has been given labels that are not among own.
func (l *Layout) beyond(own []sallyport.Label, namespace string, v any) bool {
	ref, _ := v.(map[string]any)
	name, _ := ref["name"].(string)
	labels, listed := l.Labels(&Call{IsResource: true, Namespace: namespace, Resource: "configmaps", Name: name})
	return listed && slices.ContainsFunc(labels, func(label sallyport.Label) bool { return !slices.Contains(own, label) })
}

// mints reports whether Secrets of a type get a credential of the cluster, or are one.
func mints(kind string) bool {
	return strings.HasPrefix(kind, "kubernetes.io/service-account") || strings.HasPrefix(kind, "bootstrap.kubernetes.io/token")
}
