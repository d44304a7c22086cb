// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// cutAfter is where a download breaks off, in the middle of a masked object.
const cutAfter = 200_000

// long is a table of more than cutAfter bytes, masked or not, of nobody.
func long() string {
	var b strings.Builder
	b.WriteString("mrn,name,ssn,visit\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "%d,Ada Example,219-09-9991,%d\n", 100_000+i, i)
	}
	return b.String()
}

// startLong starts a gateway before a long object, and returns how it is shown to
// who reads it undisturbed.
func startLong(t *testing.T) (w *world, shown string) {
	t.Helper()
	w = start(t)
	w.peer.Seed("clinic-exports", "2026/long.csv", "text/csv", long())
	got := w.Ask(t, "GET", "/clinic-exports/2026/long.csv", "")
	if got.Status != 200 || strings.Count(got.Body, "\n") != 20_001 || len(got.Body) < 2*cutAfter {
		t.Fatalf("%d, %d bytes", got.Status, len(got.Body))
	}
	for _, c := range canaries() {
		if strings.Contains(got.Body, c) {
			t.Fatalf("it shows %q", c)
		}
	}
	return w, got.Body
}

// wentOn checks that a download broke off and that another one asked for the rest,
// and for no more, of the same generation where that is wanted.
func wentOn(t *testing.T, came []gatewaytest.Download, generation bool) {
	t.Helper()
	broken, rest := 0, 0
	for _, d := range came {
		switch {
		case d.Cut:
			broken++
		case broken == 1 && d.Range != "" && d.Status == 206:
			var from int
			if _, err := fmt.Sscanf(d.Range, "bytes=%d-", &from); err != nil || from < 1 || from > cutAfter {
				t.Errorf("it goes on with %q", d.Range)
			}
			if generation && !strings.Contains(d.Path, "generation=") {
				t.Errorf("it goes on at %s, whatever generation that is", d.Path)
			}
			rest++
		}
	}
	if broken != 1 || rest != 1 {
		t.Errorf("%d downloads broke off, %d went on: %+v", broken, rest, came)
	}
}

// TestResumedDownloads has the download of a masked object break off, and the
// libraries go on with it. What they put together is the masked object, and passes
// the checks that they make themselves.
func TestResumedDownloads(t *testing.T) {
	t.Parallel()
	for name, client := range googleclients.Libraries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, shown := startLong(t)
			cutter := w.Cut(t, cutAfter)
			s := w.service()
			s.Storage = cutter.URL
			got := client(t, s, call{Name: "resume", Bucket: "clinic-exports", Object: "2026/long.csv"})[0]
			if got.Error != nil {
				t.Fatalf("%+v; %+v", got.Error, cutter.Downloads())
			}
			if got.Value != shown {
				text, _ := got.Value.(string)
				t.Errorf("%d bytes came that are not the %d of the masked object", len(text), len(shown))
			}
			wentOn(t, cutter.Downloads(), true)
		})
	}
}

// TestResumedByGCloud has the real gcloud go on with a download, when the machine
// has it. It compares the checksum of what it has put together.
func TestResumedByGCloud(t *testing.T) {
	t.Parallel()
	w, shown := startLong(t)
	cutter := w.Cut(t, cutAfter)
	s := w.service()
	s.Storage = cutter.URL
	file := filepath.Join(t.TempDir(), "long.csv")
	got, ok := googleclients.GCloud(t, s, "storage", "cp", "gs://clinic-exports/2026/long.csv", file)
	if !ok {
		return
	}
	b, err := os.ReadFile(file)
	if got.Status != 0 || err != nil || string(b) != shown {
		t.Fatalf("exit status %d, %d bytes of %d: %s %v", got.Status, len(b), len(shown), got.Out, err)
	}
	wentOn(t, cutter.Downloads(), false)
}
