// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Workload reports whether objects of a kind have the specification of a pod in them, or
// of a claim for a volume, or are copies of what such a claim holds.
func Workload(group, resource string) bool {
	switch group {
	case "":
		return resource == "pods" || resource == "replicationcontrollers" || resource == "podtemplates" || resource == "persistentvolumeclaims"
	case "apps":
		return resource != "scales"
	case "batch":
		return true
	case "snapshot.storage.k8s.io":
		return resource == "volumesnapshots"
	case "groupsnapshot.storage.k8s.io":
		return resource == "volumegroupsnapshots"
	}
	return false
}

// Risks name what a pod would get beyond what it is: the node's files, its network, a
// Secret, another service account, storage that the cluster does not know, or a ConfigMap
// or a volume with labels that the pod has not. Whoever makes such a pod can read what
// they may not read themselves. They are looked for by name wherever they stand in the
// body, and in the paths of a list of changes.
func (l *Layout) Risks(c *Call, d *Document) []string {
	var found []string
	add := func(name string) {
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	own := l.own(c, d)
	look := func(path []string, v any) {
		name := path[len(path)-1]
		if v != nil && (risky(name, v) || storage(path) || l.beyond(own, c, name, v)) {
			add(name)
		}
	}
	walk(d.root, nil, look)
	for _, change := range d.changes() {
		walk(change.value, change.at, look) // what is put into a list of volumes
		for _, at := range [][]string{change.at, change.from} {
			for i, name := range at {
				if riskyName(name) || storage(at[:i+1]) || l.beyond(own, c, name, nil) {
					add(name)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// own are the labels of what a call makes or changes. What has no name yet has those of
// every name, and none of those that some names have.
func (l *Layout) own(c *Call, d *Document) []sallyport.Label {
	named := *c
	if named.Name == "" {
		named.Name = d.name()
	}
	labels, _ := l.Labels(&named)
	return labels
}

// name is the name of the object that the body is, or one that no object has.
func (d *Document) name() string {
	object, _ := d.root.(map[string]any)
	metadata, _ := object["metadata"].(map[string]any)
	if name, _ := metadata["name"].(string); name != "" && name != "*" {
		return name
	}
	return "\x00"
}

// risky reports whether a member gives a pod what it has not by itself.
func risky(name string, v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v && riskyName(name)
	case string:
		return riskyName(name) && v != "" && v != "default"
	case []any:
		return riskyName(name) && len(v) > 0
	}
	return riskyName(name)
}

func riskyName(name string) bool {
	switch name {
	case "hostPath", "hostNetwork", "hostPID", "hostIPC", "privileged", "add", "secret", "secretName", "secretKeyRef", "secretRef", "nodePublishSecretRef",
		"serviceAccountToken", "serviceAccountName", "serviceAccount", "procMount", "hostProcess", "volumeDevices", "podCertificate":
		return true
	}
	return false
}

// storage reports whether a path is that of a volume's source which is neither the pod's
// own nor an object that is judged by itself: files of another machine, a driver's, or
// one that is not known.
func storage(path []string) bool {
	n := len(path)
	if n < 3 || path[n-3] != "volumes" || strings.HasPrefix(path[n-1], "$") { // a directive of a patch
		return false
	}
	switch path[n-1] {
	case "name", "emptyDir", "configMap", "downwardAPI", "projected", "persistentVolumeClaim", "ephemeral", "image":
		return false
	}
	return true
}

// beyond reports whether a member refers to an object that has been given labels which
// are not among own, or to any of its kind where v does not say which.
func (l *Layout) beyond(own []sallyport.Label, c *Call, member string, v any) bool {
	to, ok := refers(c, member, v)
	if !ok {
		return false
	}
	if to.Namespace == "" && !ClusterScoped(to.Group, to.Resource) {
		to.Namespace = c.Namespace
	}
	labels, listed := l.Labels(to)
	return listed && slices.ContainsFunc(labels, func(label sallyport.Label) bool { return !slices.Contains(own, label) })
}

// refers returns what a member of what a call brings refers to, if it does; without a name
// where v does not say which it is.
func refers(c *Call, member string, v any) (*Call, bool) {
	ref, _ := v.(map[string]any)
	text := func(name string) string {
		s, _ := ref[name].(string)
		return s
	}
	to := &Call{IsResource: true}
	switch member {
	case "configMap", "configMapRef", "configMapKeyRef":
		to.Resource, to.Name = "configmaps", text("name")
	case "persistentVolumeClaim":
		to.Resource, to.Name = "persistentvolumeclaims", text("claimName")
	case "matchLabels", "matchExpressions": // of what a group of snapshots is made of: any claim
		to.Resource = "persistentvolumeclaims"
		return to, c.Group == "groupsnapshot.storage.k8s.io"
	case "claimName", "persistentVolumeClaimName":
		to.Resource, to.Name = "persistentvolumeclaims", plainText(v)
	case "volumeName": // binds a claim to a volume that there is
		to.Resource, to.Name = "persistentvolumes", plainText(v)
	case "dataSource", "dataSourceRef": // fills a volume with what another holds
		to.Resource, to.Group, to.Name, to.Namespace = strings.ToLower(text("kind"))+"s", text("apiGroup"), text("name"), text("namespace")
		if text("kind") == "" {
			to.Resource = "persistentvolumeclaims"
		}
	default:
		return nil, false
	}
	return to, true
}

func plainText(v any) string {
	s, _ := v.(string)
	return s
}

// mints reports whether Secrets of a type get a credential of the cluster, or are one.
func mints(kind string) bool {
	return strings.HasPrefix(kind, "kubernetes.io/service-account") || strings.HasPrefix(kind, "bootstrap.kubernetes.io/token")
}
