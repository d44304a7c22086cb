// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Values of the clinic that nobody may see.
func canaries() []string {
	return []string{"219-09-999", "Ada Example", "Bo Sample", "Cy Specimen", "1961-04-02", "212-555-0143"}
}

const policy = `
@id("connect") permit(principal in Role::"lake", action == Action::"connect", resource == Resource::"lake");
@id("look") permit(principal in Role::"lake", action == Action::"read", resource in Resource::"lake");
@id("notes") permit(principal in Role::"lake", action == Action::"readScanned", resource in Path::"lake/clinic-exports/notes");
@id("public") permit(principal in Role::"lake", action == Action::"readRaw", resource in Label::"public");
@id("work") permit(principal in Role::"lake", action in [Action::"write", Action::"delete", Action::"define"], resource in Resource::"lake");
@id("drop") permit(principal in Role::"lake", action in [Action::"destroy", Action::"administer"], resource in Resource::"lake");
@id("same") permit(principal in Role::"lake", action == Action::"declassify", resource in Resource::"lake") when { context.source == "public" };
@id("labelled-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action in [Action::"delete", Action::"destroy", Action::"administer"], resource) when { context.labels.contains("phi") } unless { context has approval };
`

const resource = `  - name: lake
    type: gcs
    credential: {password: "file:gcs.token"}
    gcs:
      url: %s
      auth: {mode: bearer}
      buckets:
        - {name: clinic-exports, labels: [phi], prefixes: [{prefix: notes/, labels: [phi.note]}]}
        - {name: clinic-public, labels: [public], plain_names: true}
        - {name: made, labels: [public], plain_names: true}
`

type world struct {
	gatewaytest.Caller
	peer *gcspeer.Server
}

func start(t *testing.T) *world {
	t.Helper()
	peer := gcspeer.Start(t, gcspeer.WithClinic())
	return startAt(t, peer, peer.URL)
}

// startAt starts a gateway that reaches the counterpart at an address.
func startAt(t *testing.T, peer *gcspeer.Server, address string) *world {
	t.Helper()
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("gcs.token", peer.Token), gatewaytest.Resource("lake", "lake", fmt.Sprintf(resource, address)))
	return &world{g.Caller(t, "lake", "lake"), peer}
}

func (w *world) service() googleclients.Service {
	return googleclients.Service{Project: gcspeer.Project, Storage: "https://" + w.HTTPAddress(), Token: w.Token, CA: w.CA}
}

// decide waits for a held statement whose readable text holds part, and decides.
func (w *world) decide(t *testing.T, part, how string) {
	t.Helper()
	w.Decide(t, w.HTTP, part, how)
}

type (
	call  = googleclients.Call
	array = []any
)

// TestLibraries has the libraries for Go and Node.js work with buckets and
// objects, of which they may see some only masked. They check sizes and checksums
// themselves.
func TestLibraries(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", 1<<16) + "end"
	steps := []struct {
		call call
		want any
		note string // what the answer has to hold, where it is masked
	}{
		{call{Name: "buckets"}, array{"clinic-exports", "clinic-public"}, ""},
		{call{Name: "objects", Bucket: "clinic-exports", Prefix: "2026/"}, array{"2026/patients.csv", "2026/patients.ndjson"}, ""},
		{call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.csv"}, nil, "mrn,name,ssn,birth,zip\n"},
		{call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.csv", Offset: 4, Length: 8}, "name,ssn", ""},
		{call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.ndjson"}, nil, `"mrn":`},
		{call{Name: "get", Bucket: "clinic-exports", Object: "fhir/patient-1001.json"}, nil, `"resourceType":"Patient"`},
		{call{Name: "get", Bucket: "clinic-exports", Object: "notes/1001.txt"}, nil, "about the refill"},
		{call{Name: "get", Bucket: "clinic-public", Object: "hours.txt"}, "Open from 8 to 17.\n", ""},
		{call{Name: "get", Bucket: "clinic-exports", Object: "nothing"}, &googleclients.Error{Code: 404}, ""},
		{call{Name: "create_bucket", Bucket: "made"}, nil, ""},
		{call{Name: "put", Bucket: "made", Object: "a b/ü.txt", Text: "x", Type: "text/plain"}, nil, ""},
		{call{Name: "get", Bucket: "made", Object: "a b/ü.txt"}, "x", ""},
		{call{Name: "put", Bucket: "made", Object: "large", Text: large, Type: "application/octet-stream", Resumable: true}, nil, ""},
		{call{Name: "get", Bucket: "made", Object: "large"}, large, ""},
		{call{Name: "copy_object", Bucket: "made", Object: "large", To: "clinic-public"}, nil, ""},
		{call{Name: "copy_object", Bucket: "clinic-exports", Object: "2026/patients.csv", To: "clinic-public"}, &googleclients.Error{Code: 403}, ""},
		{call{Name: "delete_bucket", Bucket: "made"}, &googleclients.Error{Code: 409}, ""},
		{call{Name: "delete", Bucket: "made", Object: "large"}, nil, ""},
		{call{Name: "create_bucket", Bucket: "elsewhere"}, &googleclients.Error{Code: 403}, ""},
	}
	for name, client := range googleclients.Libraries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			calls := make([]call, 0, len(steps))
			for _, one := range steps {
				calls = append(calls, one.call)
			}
			for i, got := range client(t, w.service(), calls...) {
				what := fmt.Sprintf("%d %s %s", i, calls[i].Name, calls[i].Object)
				if e, ok := steps[i].want.(*googleclients.Error); ok && got.Error != nil {
					e.Reason, got.Error.Reason = "", ""
				}
				text, _ := got.Value.(string)
				if steps[i].note == "" {
					googleclients.Check(t, what, steps[i].want, got)
				} else if got.Error != nil || !strings.Contains(text, steps[i].note) {
					t.Errorf("%s: %v %q", what, got.Error, text)
				}
				for _, c := range canaries() {
					if strings.Contains(fmt.Sprint(got.Value, got.Error), c) {
						t.Errorf("%s shows %q", what, c)
					}
				}
			}
			for _, r := range w.peer.Requests() {
				if r.Token != gcspeer.TokenExpected && r.Token != gcspeer.TokenSession {
					t.Errorf("%s %s came with token %q", r.Method, r.Path, r.Token)
				}
			}
			if w.peer.Saw(w.Token) {
				t.Error("the caller's token reached the target")
			}
			if _, ok := w.peer.Object("made", "large"); ok {
				t.Error("the object is still in the target")
			}
		})
	}
}
