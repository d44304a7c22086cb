// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcspeer_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

type (
	call   = googleclients.Call
	object = map[string]any
	array  = []any
)

func service(s *gcspeer.Server) googleclients.Service {
	return googleclients.Service{Project: gcspeer.Project, Storage: s.URL, Token: s.Token}
}

// stat is what the service says of an object.
func stat(contentType, content string) object {
	sum := md5.Sum([]byte(content))
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(content), crc32.MakeTable(crc32.Castagnoli)))
	return object{"size": float64(len(content)), "type": contentType, "crc32c": base64.StdEncoding.EncodeToString(crc), "md5": base64.StdEncoding.EncodeToString(sum[:])}
}

// large is more than one piece of a resumable upload.
func large() string { return strings.Repeat("0123456789abcdef", 1<<16) + "end" }

func TestLibraries(t *testing.T) {
	t.Parallel()
	patients := gcspeer.Clinic()[0].Content
	steps := []struct {
		call call
		want any // see googleclients.Check
	}{
		{call{Name: "buckets"}, array{"clinic-exports", "clinic-public"}},
		{call{Name: "objects", Bucket: "clinic-exports", Prefix: "2026/"}, array{"2026/patients.csv", "2026/patients.ndjson"}},
		{call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.csv"}, patients},
		{call{Name: "get", Bucket: "clinic-exports", Object: "2026/patients.csv", Offset: 24, Length: 16}, patients[24:40]},
		{call{Name: "stat", Bucket: "clinic-exports", Object: "2026/patients.csv"}, stat("text/csv", patients)},
		{call{Name: "get", Bucket: "clinic-exports", Object: "nothing"}, &googleclients.Error{Code: 404}},
		{call{Name: "create_bucket", Bucket: "made"}, nil},
		{call{Name: "put", Bucket: "made", Object: "a b/ü.txt", Text: "x", Type: "text/plain"}, nil},
		{call{Name: "get", Bucket: "made", Object: "a b/ü.txt"}, "x"},
		{call{Name: "put", Bucket: "made", Object: "large", Text: large(), Type: "application/octet-stream", Resumable: true}, nil},
		{call{Name: "get", Bucket: "made", Object: "large"}, large()},
		{call{Name: "stat", Bucket: "made", Object: "large"}, stat("application/octet-stream", large())},
		{call{Name: "copy_object", Bucket: "made", Object: "large", To: "clinic-public"}, nil},
		{call{Name: "objects", Bucket: "clinic-public"}, array{"hours.txt", "large"}},
		{call{Name: "delete_bucket", Bucket: "made"}, &googleclients.Error{Code: 409, Reason: "conflict", Message: "The bucket you tried to delete is not empty."}},
		{call{Name: "delete", Bucket: "made", Object: "large"}, nil},
		{call{Name: "delete", Bucket: "made", Object: "a b/ü.txt"}, nil},
		{call{Name: "delete_bucket", Bucket: "made"}, nil},
		{call{Name: "buckets"}, array{"clinic-exports", "clinic-public"}},
	}
	for _, name := range slices.Sorted(maps.Keys(googleclients.Libraries())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := gcspeer.Start(t, gcspeer.WithClinic())
			calls := make([]call, 0, len(steps))
			for _, one := range steps {
				calls = append(calls, one.call)
			}
			for i, got := range googleclients.Libraries()[name](t, service(s), calls...) {
				if e, ok := steps[i].want.(*googleclients.Error); ok && e.Reason == "" && got.Error != nil {
					got.Error.Reason = "" // an answer of the XML interface has none
				}
				googleclients.Check(t, fmt.Sprintf("%d %s %s", i, calls[i].Name, calls[i].Object), steps[i].want, got)
			}
			for _, r := range s.Requests() {
				if r.Token != gcspeer.TokenExpected && r.Token != gcspeer.TokenSession {
					t.Errorf("%s %s came with token %q", r.Method, r.Path, r.Token)
				}
			}
			if content, ok := s.Object("clinic-public", "large"); !ok || content != large() {
				t.Errorf("the copy is not in the target, or not the same: %d bytes", len(content))
			}
			if _, ok := s.Object("made", "large"); ok {
				t.Error("the object is still in the target")
			}
		})
	}
}

// ask makes a request past every client.
func ask(t *testing.T, s *gcspeer.Server, method, path, token string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, string(body), err
}

func TestToken(t *testing.T) {
	t.Parallel()
	s := gcspeer.Start(t, gcspeer.WithClinic())
	for _, one := range []struct{ path, token, want, begins string }{
		{"/storage/v1/b/clinic-exports/o", "", gcspeer.TokenNone, `{"error":{"code":401,`},
		{"/storage/v1/b/clinic-exports/o", "a-stranger's", gcspeer.TokenOther, `{"error":{"code":401,`},
		{"/storage/v1/b/clinic-exports/o?access_token=" + s.Token, "", gcspeer.TokenOther, `{"error":{"code":401,`},
		{"/clinic-exports/notes/1001.txt", "", gcspeer.TokenNone, "<?xml version='1.0' encoding='UTF-8'?><Error>"},
	} {
		s.Forget()
		status, body, err := ask(t, s, http.MethodGet, one.path, one.token)
		if err != nil || status != http.StatusUnauthorized || !strings.HasPrefix(body, one.begins) {
			t.Errorf("%s with %q: %d %s %v", one.path, one.token, status, body, err)
		}
		if r := s.Requests(); len(r) != 1 || r[0].Token != one.want || r[0].Path != one.path || r[0].Status != status {
			t.Errorf("%s with %q: %+v", one.path, one.token, r)
		}
	}
	if status, body, err := ask(t, s, http.MethodPost, "/_internal/delete_all", s.Token); status != http.StatusNotFound {
		t.Errorf("what is fake-gcs-server's own: %d %s %v", status, body, err)
	}
	if !s.Saw("delete_all") || s.Saw("a-stranger's") {
		t.Error("Saw does not tell what came since Forget")
	}
	if status, body, err := ask(t, s, http.MethodGet, "/clinic-exports/notes/1001.txt", s.Token); status != http.StatusOK || body != gcspeer.Clinic()[2].Content {
		t.Errorf("the XML interface: %d %s %v", status, body, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := gcspeer.Start(t, gcspeer.WithObject("bucket", "o", "text/plain", "0123456789"))
	get := call{Name: "get", Bucket: "bucket", Object: "o"}
	for name, client := range googleclients.Libraries() {
		s.Fail(gcspeer.Fault{Next: 1, Path: "/o", Status: http.StatusServiceUnavailable})
		googleclients.Check(t, name+" after 503", "0123456789", client(t, service(s), get)[0])
	}
	s.Fail(gcspeer.Fault{Next: 1, Cut: 4})
	if _, body, err := ask(t, s, http.MethodGet, "/bucket/o", s.Token); err == nil || body != "0123" {
		t.Errorf("a cut answer is %q, %v", body, err)
	}
}

// An extract job of BigQuery's counterpart writes to this one, and a load job reads from it.
func TestExtract(t *testing.T) {
	t.Parallel()
	s := gcspeer.Start(t, gcspeer.WithObject("out", "in.csv", "text/csv", "7,Hal Model\n"))
	bq := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithStorage(s.URL, s.Token))
	svc := service(s)
	svc.BigQuery = bq.URL
	for name, client := range googleclients.Libraries() {
		got := client(t, svc,
			call{Name: "extract", Dataset: "clinic", Table: "adults", Bucket: "out", Object: "adults.csv"},
			call{Name: "get", Bucket: "out", Object: "adults.csv"},
			call{Name: "extract", Dataset: "clinic", Table: "adults", Bucket: "nothing", Object: "adults.csv"},
		)
		googleclients.Check(t, name+": extract", nil, got[0])
		googleclients.Check(t, name+": object", "mrn,name,birth\n1001,Ada Example,1961-04-02\n1002,Bo Sample,1974-11-30\n", got[1])
		googleclients.Check(t, name+": no bucket", &googleclients.Error{Reason: "notFound"}, got[2])
	}
	if printed, ok := googleclients.BQ(t, svc, "load", "scratch.people", "gs://out/in.csv", "id:INTEGER,name:STRING"); ok && printed.Status != 0 {
		t.Errorf("bq load: %s", printed.Out)
	} else if ok {
		if rows := bq.SQL("SELECT * FROM scratch.people"); len(rows) != 1 || rows[0][1] != "Hal Model" {
			t.Errorf("bq load gave %v", rows)
		}
	}
}

// The real gcloud, when the machine has it.
func TestGCloud(t *testing.T) {
	t.Parallel()
	s := gcspeer.Start(t, gcspeer.WithClinic())
	for _, one := range []struct {
		args []string
		want string
	}{
		{[]string{"ls"}, "gs://clinic-exports/"},
		{[]string{"ls", "gs://clinic-exports/2026/"}, "gs://clinic-exports/2026/patients.csv"},
		{[]string{"cat", "gs://clinic-exports/notes/1001.txt"}, gcspeer.Clinic()[2].Content},
		{[]string{"cp", "gs://clinic-exports/2026/patients.csv", "gs://clinic-public/p.csv"}, ""},
		{[]string{"rm", "gs://clinic-public/p.csv"}, ""},
	} {
		got, ok := googleclients.GCloud(t, service(s), append([]string{"storage"}, one.args...)...)
		if !ok {
			return
		}
		if got.Status != 0 || !strings.Contains(got.Out, one.want) {
			t.Errorf("gcloud storage %v: exit status %d: %s", one.args, got.Status, got.Out)
		}
	}
	if _, ok := s.Object("clinic-public", "p.csv"); ok {
		t.Error("gcloud storage rm left the object")
	}
}
