// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// TestScopes holds what is known of the kinds of Kubernetes' own against what the API
// server says of them, alpha ones as well: one that is taken for a kind without namespaces
// is listed over all of them by who may look at nodes.
func TestScopes(t *testing.T) {
	c := kubepeer.Start(t, kubepeer.Flags("--runtime-config=api/all=true", "--feature-gates=PodCertificateRequest=true,GenericWorkload=true,GangScheduling=true"))
	var groups struct {
		Groups []struct {
			Name     string
			Versions []struct{ GroupVersion string }
		}
	}
	c.Get("/apis", &groups)
	paths := map[string]string{"/api/v1": ""}
	for _, g := range groups.Groups {
		if !kube.Builtin(g.Name) {
			t.Errorf("%s is not known for one of Kubernetes' own", g.Name)
		}
		for _, v := range g.Versions {
			paths["/apis/"+v.GroupVersion] = g.Name
		}
	}
	known := 0
	for path, group := range paths {
		var list struct {
			Resources []struct {
				Name       string
				Namespaced bool
			}
		}
		c.Get(path, &list)
		for _, r := range list.Resources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			if known++; kube.ClusterScoped(group, r.Name) == r.Namespaced {
				t.Errorf("%s of %s: it is in a namespace: %v", r.Name, path, r.Namespaced)
			}
		}
	}
	if known < 50 {
		t.Errorf("%d kinds", known)
	}
}
