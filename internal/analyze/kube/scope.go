// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

// Builtin reports whether a group is one of Kubernetes' own, whose types are known.
func Builtin(group string) bool {
	switch group {
	case "", "apps", "batch", "autoscaling", "policy", "extensions",
		"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
		"certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io",
		"metrics.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
		"storagemigration.k8s.io":
		return true // others end in .k8s.io as well, and are definitions of kinds
	}
	return false
}

// ClusterScoped reports whether objects of a kind of Kubernetes' own are in no
// namespace.
func ClusterScoped(group, resource string) bool {
	switch group {
	case "":
		return resource == "nodes" || resource == "namespaces" || resource == "persistentvolumes" || resource == "componentstatuses"
	case "rbac.authorization.k8s.io":
		return resource == "clusterroles" || resource == "clusterrolebindings"
	case "storage.k8s.io":
		return resource != "csistoragecapacities"
	case "networking.k8s.io":
		return resource == "ingressclasses" || resource == "ipaddresses" || resource == "servicecidrs"
	case "resource.k8s.io":
		return resource == "deviceclasses" || resource == "resourceslices" || resource == "devicetaintrules" || resource == "resourcepoolstatusrequests"
	case "authentication.k8s.io":
		return true
	case "authorization.k8s.io":
		return resource != "localsubjectaccessreviews"
	case "certificates.k8s.io":
		return resource != "podcertificaterequests"
	case "scheduling.k8s.io":
		return resource != "workloads" && resource != "podgroups"
	case "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io",
		"internal.apiserver.k8s.io", "node.k8s.io", "storagemigration.k8s.io":
		return true
	}
	return false
}
