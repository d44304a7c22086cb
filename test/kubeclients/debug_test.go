// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubeclients_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// TestDebug has every kubectl add a container to a pod and talk to the shell in it,
// which finds a canary.
func TestDebug(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1", Files: map[string]string{"srv/note.txt": "patient SSN " + canarySSN + "\n"}})
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			got := k.Run(t, w.config, "echo $((40+2)); cat srv/note.txt\nexit 3\n", "-n", "clinic", "debug", "-i", "web-1", "--profile=baseline", "--image=synthetic", "--", "sh")
			if !strings.Contains(got.Out, "42\n") || !strings.Contains(got.Out, "patient SSN [SSN]\n") {
				t.Errorf("debug: %v", got)
			}
			w.clean(t, got)
			// A profile that lets a debugger look into processes asks for a capability.
			got = k.Run(t, w.config, "", "-n", "clinic", "debug", "-i", "web-1", "--profile=general", "--image=synthetic", "--", "sh")
			if got.Code == 0 || !strings.Contains(got.Err, "administer") {
				t.Errorf("debug with a capability: %v", got)
			}
			got = k.Run(t, w.config, "", "debug", "node/node-1", "--image=synthetic", "--", "sh")
			if got.Code == 0 || !strings.Contains(got.Err, "sallyport") {
				t.Errorf("debug of the node, which makes a pod that owns it: %v", got)
			}
		})
	}
	w.onRecord(t, `"class":"ephemeralcontainers"`)
	w.onRecord(t, `"class":"attach"`)
	w.traceless(t)
}
