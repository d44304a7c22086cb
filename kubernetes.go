// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport

// Kubernetes is what a request to the API of a Kubernetes cluster asks for, in the
// cluster's own words. Policies see it as context.kubernetes.
type Kubernetes struct {
	Verb        string `json:"verb"` // "get", "list", "deletecollection", ...
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	// Labels are those of the object that is changed or removed, each as
	// "key=value". They are good only where LabelsKnown is true.
	Labels      []string `json:"labels,omitempty"`
	LabelsKnown bool     `json:"labels_known,omitempty"`
}
