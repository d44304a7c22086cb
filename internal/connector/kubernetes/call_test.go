// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, path, query string
		want                kube.Call
	}{
		{"GET", "/api/v1/namespaces/clinic/pods", "", kube.Call{IsResource: true, Verb: "list", Version: "v1", Namespace: "clinic", Resource: "pods"}},
		{"GET", "/api/v1/namespaces/clinic/pods", "watch=1", kube.Call{IsResource: true, Verb: "watch", Version: "v1", Namespace: "clinic", Resource: "pods"}},
		{"GET", "/api/v1/namespaces/clinic/pods", "fieldSelector=metadata.name%3Dweb", kube.Call{IsResource: true, Verb: "list", Version: "v1", Namespace: "clinic", Resource: "pods", Name: "web"}},
		{"GET", "/api/v1/namespaces/clinic/pods/web/exec", "", kube.Call{IsResource: true, Verb: "get", Version: "v1", Namespace: "clinic", Resource: "pods", Name: "web", Subresource: "exec"}},
		{"DELETE", "/apis/apps/v1/namespaces/clinic/deployments", "", kube.Call{IsResource: true, Verb: "deletecollection", Group: "apps", Version: "v1", Namespace: "clinic", Resource: "deployments"}},
		{"DELETE", "/api/v1/namespaces/clinic", "", kube.Call{IsResource: true, Verb: "delete", Version: "v1", Namespace: "clinic", Resource: "namespaces", Name: "clinic"}},
		{"GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode", "", kube.Call{IsResource: true, Verb: "get", Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles", Name: "system:node"}},
		{"GET", "/apis/apps/v1", "", kube.Call{Verb: "get"}},
	} {
		got, sent, err := kubernetes.Read(tc.method, tc.path, tc.query)
		if err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.path, err)
			continue
		}
		tc.want.Method, tc.want.Path = tc.method, strings.SplitN(sent, "?", 2)[0]
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.method, tc.path, diff)
		}
	}
}

// FuzzRead looks for requests of which the cluster would read something else than was
// judged.
func FuzzRead(f *testing.F) {
	f.Add("GET", "/api/v1/namespaces/clinic/pods/web/log", "follow=true")
	f.Add("POST", "/api/v1/namespaces/clinic/p%6Fds/web/exec", "command=ls&command=-l")
	f.Add("DELETE", "/apis/apps/v1/namespaces/a/deployments", "labelSelector=a%3Db")
	f.Add("GET", "/api/v1/namespaces/%2e%2e/secrets", "watch=true&watch=false")
	f.Add("GET", "/apis/a/b/c", "fieldSelector=metadata.name=x")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		got, sent, err := kubernetes.Read(method, path, query)
		if err != nil {
			return
		}
		u, err := url.ParseRequestURI(sent)
		if err != nil || strings.Contains(u.EscapedPath(), "%2F") || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "/../") {
			t.Fatalf("%q cannot be sent: %v", sent, err)
		}
		again, second, err := kubernetes.Read(method, u.EscapedPath(), u.RawQuery)
		if err != nil || second != sent {
			t.Fatalf("%q becomes %q: %v", sent, second, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("%q is read in two ways:\n%s", sent, diff)
		}
	})
}
