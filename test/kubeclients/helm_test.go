// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubeclients_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
	"github.com/sallyport-dev/sallyport/test/peer"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// TestHelm has Helm deploy a chart. It keeps what it knows of a release in Secrets, so
// that a role which may not see what Secrets hold can render and install, and finds no
// release afterwards; one that may can do all.
func TestHelm(t *testing.T) {
	w := start(t)
	program, err := peer.GoProgramOf(t.Context(), "test/kubeclients/helm", "helm.sh/helm/v3/cmd/helm")
	if err != nil {
		t.Fatal(err)
	}
	helm := kubepeer.Client{Name: "helm", Path: program}
	deploy := kubepeer.Kubeconfig(t, "https://"+w.HTTPAddress()+"/k8s/prod", w.CA, w.Exchange(t, w.HTTPClient(t), "prod", "deploy"))
	chart := filepath.Join(pgtest.Root(), "test", "kubeclients", "testdata", "chart")
	for _, tc := range []struct {
		config, args string
		code         int
		says         string
	}{
		{w.config, "template claims CHART --validate", 0, "replicas: 1"},
		{w.config, "install hidden CHART", 0, "STATUS: deployed"},
		{w.config, "upgrade hidden CHART --dry-run=server", 1, "no revision"},
		{deploy, "upgrade hidden CHART --dry-run=server --set replicas=2", 0, "replicas: 2"},
		{deploy, "install claims CHART", 0, "STATUS: deployed"},
		{deploy, "list", 0, "claims-0.1.0"},
		{deploy, "upgrade claims CHART --dry-run=server --set replicas=2", 0, "replicas: 2"},
		{deploy, "upgrade claims CHART --set replicas=2", 0, "REVISION: 2"},
		{deploy, "get values claims --all", 0, "replicas: 2"},
		{deploy, "rollback claims 1", 0, "success"},
		{deploy, "uninstall claims", 0, "uninstalled"},
	} {
		got := helm.Run(t, tc.config, "", strings.Fields("-n clinic "+strings.ReplaceAll(tc.args, "CHART", chart))...)
		if got.Code != tc.code || !strings.Contains(got.Out+got.Err, tc.says) {
			t.Errorf("helm %s: want %q and the code %d: %v", tc.args, tc.says, tc.code, got)
		}
	}
	w.onRecord(t, `"readable":"list secrets in clinic"`)
}
