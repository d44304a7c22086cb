// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// TestGCloud has the real gcloud work, when the machine has it. It checks sizes
// and checksums of what it downloads.
func TestGCloud(t *testing.T) {
	t.Parallel()
	w := start(t)
	dir := t.TempDir()
	up := filepath.Join(dir, "up.txt")
	if err := os.WriteFile(up, []byte("nothing about anybody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		args []string
		want string
	}{
		{[]string{"ls"}, "gs://clinic-exports/"},
		{[]string{"ls", "gs://clinic-exports/2026/"}, "gs://clinic-exports/2026/patients.csv"},
		{[]string{"ls", "-l", "gs://clinic-exports/2026/"}, "gs://clinic-exports/2026/patients.csv"},
		{[]string{"cat", "gs://clinic-exports/notes/1001.txt"}, "about the refill"},
		{[]string{"cat", "-r", "4-11", "gs://clinic-exports/2026/patients.csv"}, "name,ssn"},
		{[]string{"cp", "gs://clinic-exports/2026/patients.csv", filepath.Join(dir, "one.csv")}, ""},
		{[]string{"cp", "gs://clinic-exports/2026/*", dir}, ""},
		{[]string{"cp", up, "gs://clinic-public/up.txt"}, ""},
		{[]string{"cat", "gs://clinic-public/up.txt"}, "nothing about anybody"},
		{[]string{"rm", "gs://clinic-public/up.txt"}, ""},
	} {
		got, ok := googleclients.GCloud(t, w.service(), append([]string{"storage"}, one.args...)...)
		if !ok {
			return
		}
		if got.Status != 0 || !strings.Contains(got.Out, one.want) || strings.Contains(strings.ToLower(got.Out), "integrity") {
			t.Errorf("gcloud storage %v: exit status %d: %s", one.args, got.Status, got.Out)
		}
		for _, c := range canaries() {
			if strings.Contains(got.Out, c) {
				t.Errorf("gcloud storage %v shows %q", one.args, c)
			}
		}
	}
	for _, name := range []string{"one.csv", "patients.csv", "patients.ndjson"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(b), "mrn") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		for _, c := range canaries() {
			if strings.Contains(string(b), c) {
				t.Errorf("%s holds %q", name, c)
			}
		}
	}
	if _, ok := w.peer.Object("clinic-public", "up.txt"); ok {
		t.Error("gcloud storage rm left the object")
	}
	done := make(chan googleclients.Printed, 1)
	go func() {
		got, _ := googleclients.GCloud(t, w.service(), "storage", "rm", "gs://clinic-exports/2026/patients.csv")
		done <- got
	}()
	w.decide(t, "storage.objects.delete clinic-exports/*", "approve")
	if got := <-done; got.Status != 0 {
		t.Errorf("an approved deletion: %+v", got)
	}
	if _, ok := w.peer.Object("clinic-exports", "2026/patients.csv"); ok {
		t.Error("the object is still in the target")
	}
}
