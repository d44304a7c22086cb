// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
)

// call writes a call in few words: "verb namespace/kind/name/subresource", with "-" for
// no namespace.
func call(s string) *kube.Call {
	verb, path, _ := strings.Cut(s, " ")
	parts := append(strings.Split(path, "/"), "", "", "")
	c := &kube.Call{IsResource: true, Verb: verb, Version: "v1", Namespace: parts[0], Name: parts[2], Subresource: parts[3]}
	if parts[0] == "-" || parts[0] == "*" {
		c.Namespace = ""
	}
	c.Resource, c.Group, _ = strings.Cut(parts[1], ".")
	c.Method = map[string]string{"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}[verb]
	if c.Method == "" {
		c.Method = "GET"
	}
	return c
}

func TestEffects(t *testing.T) {
	t.Parallel()
	l := kube.NewLayout(nil, nil, "secret")
	for s, want := range map[string]sallyport.Effect{
		"get c/pods/web":                                            sallyport.Read,
		"list c/pods":                                               sallyport.Read,
		"watch */pods":                                              sallyport.Read,
		"get c/pods/web/log":                                        sallyport.Read,
		"get c/deployments.apps/w/scale":                            sallyport.Read,
		"create c/pods":                                             sallyport.Write,
		"patch c/deployments.apps/w":                                sallyport.Write,
		"patch c/deployments.apps/w/scale":                          sallyport.Write,
		"update c/widgets.example.com/w/status":                     sallyport.Write,
		"delete c/pods/web":                                         sallyport.Delete,
		"create c/pods/web/eviction":                                sallyport.Delete,
		"deletecollection c/pods":                                   sallyport.Destroy,
		"delete -/namespaces/c":                                     sallyport.Destroy,
		"delete -/persistentvolumes/v":                              sallyport.Destroy,
		"delete c/persistentvolumeclaims/v":                         sallyport.Destroy,
		"update -/namespaces/c/finalize":                            sallyport.Destroy,
		"delete -/customresourcedefinitions.apiextensions.k8s.io/w": sallyport.Destroy,
		"create -/customresourcedefinitions.apiextensions.k8s.io":   sallyport.Define,
		"create -/namespaces":                                       sallyport.Define,
		"get c/pods/web/exec":                                       sallyport.Execute, "create c/pods/web/exec": sallyport.Execute,
		"get c/pods/web/attach": sallyport.Execute, "create c/pods/web/portforward": sallyport.Execute,
		"patch c/pods/web/ephemeralcontainers":                                  sallyport.Execute,
		"create c/rolebindings.rbac.authorization.k8s.io":                       sallyport.Administer,
		"delete -/clusterroles.rbac.authorization.k8s.io/x":                     sallyport.Administer,
		"update -/certificatesigningrequests.certificates.k8s.io/x/approval":    sallyport.Administer,
		"create -/validatingwebhookconfigurations.admissionregistration.k8s.io": sallyport.Administer,
		"patch -/nodes/n": sallyport.Administer, "patch -/namespaces/c": sallyport.Administer,
		"create c/pods/web/binding":                              sallyport.Administer,
		"create -/tokenreviews.authentication.k8s.io":            sallyport.Administer,
		"create -/selfsubjectaccessreviews.authorization.k8s.io": sallyport.Control,
		"create -/selfsubjectreviews.authentication.k8s.io":      sallyport.Control,
		"create -/subjectaccessreviews.authorization.k8s.io":     sallyport.Read,
	} {
		st := l.Statement("prod", call(s))
		if st.Refused != "" || !slices.Equal(st.Effects, []sallyport.Effect{want}) {
			t.Errorf("%s: %v, want %v %s", s, st.Effects, want, st.Refused)
		}
	}
	for _, s := range []string{
		"get c/pods/web/proxy", "create c/services/web/proxy", "get -/nodes/n/proxy", "get -/nodes/n/log", "get c/pods/web/unheard", "patch c/pods",
		"create c/pods/web", "sing c/pods", "get c/widgets.example.com/w/open", "delete c/pods/web/log", "create c/pods/web/status",
		"create c/serviceaccounts/a/token", "get c/serviceaccounts/a/token",
	} {
		if st := l.Statement("prod", call(s)); st.Refused == "" || st.Hint == "" {
			t.Errorf("%s passes: %v", s, st.Effects)
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"get c/pods/web/log":      "prod/c/pods/web/log",
		"list c/deployments.apps": "prod/c/deployments.apps",
		"list */pods":             "prod/*/pods",
		"list */secrets/db":       "prod/*/secrets/db",
		"list -/nodes":            "prod/-/nodes",
		"get -/nodes/n1":          "prod/-/nodes/n1",
		"get c/namespaces/c":      "prod/-/namespaces/c",
		"create -/clusterroles.rbac.authorization.k8s.io": "prod/-/clusterroles.rbac.authorization.k8s.io",
	} {
		c := call(s)
		if got := c.Object("prod").Name(); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	l := kube.NewLayout([]sallyport.Label{"internal"}, []kube.Objects{
		{Resources: []string{"nodes"}, Labels: []sallyport.Label{"public"}},
		{Namespaces: []string{"c"}, Labels: []sallyport.Label{"phi"}},
		{Namespaces: []string{"c"}, Resources: []string{"configmaps"}, Names: []string{"ids"}, Labels: []sallyport.Label{"phi.id"}},
	}, "secret")
	for s, want := range map[string][][]sallyport.Label{
		"get -/nodes/n":        {{"public"}},
		"get c/pods/web":       {{"phi"}},
		"get d/pods/web":       {{"internal"}},
		"list */pods":          {{"phi", "internal"}},
		"list c/configmaps":    {{"internal"}, {"phi.id", "phi"}},
		"get c/configmaps/ids": {{"internal"}, {"phi.id"}},
		"get d/configmaps/ids": {{"internal"}},
		"get c/secrets/db":     {{"phi"}, {"secret"}},
		"list */secrets":       {{"phi", "internal"}, {"secret"}},
	} {
		var got [][]sallyport.Label
		for _, o := range l.Statement("prod", call(s)).Outputs {
			got = append(got, o.Sources[0].Labels)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s, diff)
		}
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	l := kube.NewLayout(nil, []kube.Objects{
		{Namespaces: []string{"c"}, Resources: []string{"persistentvolumeclaims"}, Names: []string{"charts"}, Labels: []sallyport.Label{"phi"}},
		{Namespaces: []string{"d"}, Resources: []string{"persistentvolumeclaims"}, Names: []string{"far"}, Labels: []sallyport.Label{"phi"}},
		{Resources: []string{"persistentvolumes"}, Names: []string{"disk"}, Labels: []sallyport.Label{"phi"}},
		{Resources: []string{"volumesnapshots.snapshot.storage.k8s.io"}, Labels: []sallyport.Label{"phi"}},
	}, "secret")
	for body, want := range map[string][]string{
		`{"spec":{"containers":[{"image":"a","env":[{"name":"A","value":"b"}]}]}}`:                                                              nil,
		`{"spec":{"serviceAccountName":"default","hostNetwork":false}}`:                                                                         nil,
		`{"spec":{"template":{"spec":{"serviceAccountName":"admin"}}}}`:                                                                         {"serviceAccountName"},
		`{"spec":{"volumes":[{"hostPath":{"path":"/"}},{"secret":{"secretName":"s"}}]}}`:                                                        {"hostPath", "secret", "secretName"},
		`{"spec":{"containers":[{"securityContext":{"privileged":true}}]}}`:                                                                     {"privileged"},
		`{"spec":{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"s"}}}]}]}}`:                                                       {"secretKeyRef"},
		`[{"op":"add","path":"/spec/template/spec/hostPID","value":true}]`:                                                                      {"hostPID"},
		`[{"op":"add","path":"/spec/template/spec","value":{"hostIPC":true}}]`:                                                                  {"hostIPC"},
		`[{"op":"copy","from":"/spec/x/serviceAccount","path":"/spec/y"}]`:                                                                      {"serviceAccount"},
		`{"spec":{"volumes":[{"name":"a","emptyDir":{}},{"persistentVolumeClaim":{"claimName":"plain"}},{"$retainKeys":["nfs"],"nfs":null}]}}`:  nil,
		`{"spec":{"volumes":[{"persistentVolumeClaim":{"claimName":"charts"}}]}}`:                                                               {"claimName", "persistentVolumeClaim"},
		`{"spec":{"volumes":[{"persistentVolumeClaim":{"readOnly":true}}]}}`:                                                                    {"persistentVolumeClaim"},
		`[{"op":"replace","path":"/spec/template/spec/volumes/0/persistentVolumeClaim/claimName","value":"x"}]`:                                 {"claimName", "persistentVolumeClaim"},
		`{"spec":{"volumes":[{"nfs":{"server":"10.0.0.1","path":"/"}},{"csi":{"driver":"secrets-store"}},{"unheardOf":{}}]}}`:                   {"csi", "nfs", "unheardOf"},
		`[{"op":"add","path":"/spec/template/spec/volumes/-","value":{"name":"a","iscsi":{}}}]`:                                                 {"iscsi"},
		`[{"op":"add","path":"/spec/template/spec/volumes","value":[{"name":"a","csi":{}}]}]`:                                                   {"csi"},
		`{"spec":{"volumes":[{"projected":{"sources":[{"podCertificate":{"keyType":"ED25519"}}]}}]}}`:                                           {"podCertificate"},
		`{"spec":{"volumes":[{"ephemeral":{"volumeClaimTemplate":{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}}}]}}`: {"dataSource"},
		`{"spec":{"volumeClaimTemplates":[{"spec":{"volumeName":"disk"}}]}}`:                                                                    {"volumeName"},
		`{"spec":{"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"far","namespace":"d"}}}`:                                              {"dataSourceRef"},
		`{"spec":{"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"far"}}}`:                                                              nil,
		`{"spec":{"dataSource":{"apiGroup":"snapshot.storage.k8s.io","kind":"VolumeSnapshot","name":"s"}}}`:                                     {"dataSource"},
	} {
		d, err := kube.Parse([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, l.Risks(call("create c/deployments.apps"), d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	claims := call("create c/persistentvolumeclaims")
	for body, want := range map[string][]string{
		`{"metadata":{"name":"more"},"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}`:      {"dataSource"},
		`{"metadata":{"generateName":"m"},"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}`: {"dataSource"},
		`{"metadata":{"name":"charts"},"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}`:    nil,
	} {
		d, err := kube.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, l.Risks(claims, d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	claim := kube.NewLayout(nil, []kube.Objects{{Namespaces: []string{"c"}, Resources: []string{"persistentvolumeclaims"}, Names: []string{"charts"}, Labels: []sallyport.Label{"phi"}}}, "secret")
	for kind, body := range map[string]string{
		"volumesnapshots.snapshot.storage.k8s.io":           `{"spec":{"source":{"persistentVolumeClaimName":"charts"}}}`,
		"volumegroupsnapshots.groupsnapshot.storage.k8s.io": `{"spec":{"source":{"selector":{"matchLabels":{"a":"b"}}}}}`,
	} {
		d, err := kube.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if c := call("create c/" + kind); !kube.Workload(c.Group, c.Resource) || len(claim.Risks(c, d)) == 0 {
			t.Errorf("%s: %v", kind, claim.Risks(c, d))
		}
	}
	for _, body := range []string{"", "{", `{"a":1,"a":1}`, `{"a":{"b":1,"\u0062":2}}`, "{} {}", "\xff", strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		if _, err := kube.Parse([]byte(body)); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%.40q: %v", body, err)
		}
	}
	d, err := kube.Parse([]byte(`{"data":{"p":"W1NFQ1JFVF0=","900-11":"[SSN]"},"spec":{"args":["a","[TEXT]"],"note":"[a-z]"},"metadata":{"annotations":{"x":"{\"k\":\"[SECRET]\"}"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"data.*", "data.p", "metadata.annotations.x", "spec.args[1]"}, d.Masked()); diff != "" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
}

// FuzzParse looks for bodies that end the program, or names that hold data.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"spec":{"volumes":[{"hostPath":{"path":"/"}}]},"data":{"a":"[SSN]"}}`))
	f.Add([]byte(`[{"op":"add","path":"/spec/hostPID","value":true}]`))
	f.Add([]byte(`{"type":"kubernetes.io/service-account-token","metadata":{"labels":{"a":"b"}}}`))
	l := kube.NewLayout(nil, []kube.Objects{{Resources: []string{"configmaps"}, Labels: []sallyport.Label{"phi"}}}, "secret")
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := kube.Parse(b)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatal(err)
			}
			return
		}
		l.Risks(call("create c/pods"), d)
		d.Minting()
		d.Labels()
		for _, name := range d.Masked() {
			if len(name) > 101*66 {
				t.Fatalf("a name of %d bytes", len(name))
			}
		}
	})
}
