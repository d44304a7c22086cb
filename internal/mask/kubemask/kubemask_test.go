// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

const ssn = "900-11-2233"

func masks(t testing.TB, fields ...string) *kubemask.Masks {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) }
	f := rules.Default()
	f.Profile = "safe-harbor"
	set, err := rules.Compile(f, rules.Deps{Lexicon: lexicon.Load, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	m, err := kubemask.New(set, now, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run masks an answer that comes in pieces of a size.
func run(t testing.TB, m *kubemask.Masks, p kubemask.Plan, in string, size int) (string, error) {
	t.Helper()
	var out bytes.Buffer
	w, err := m.Writer(p, &text.Work{}, &out)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(in); at += size {
		if _, err := w.Write([]byte(in[at:min(at+size, len(in))])); err != nil {
			return out.String(), err
		}
	}
	return out.String(), w.Flush()
}

const pod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"clinic","uid":"0c9f1a52-9d5f-4b3a-8d2b-2125550142ab",` +
	`"resourceVersion":"9001122","creationTimestamp":"2026-01-12T09:30:00Z","labels":{"app":"web","patient":"` + ssn + `"},` +
	`"annotations":{"note":"call 212-555-0101","kubectl.kubernetes.io/last-applied-configuration":"{\"kind\":\"Pod\",\"spec\":{\"x\":\"` + ssn + `\"}}"},` +
	`"managedFields":[{"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2026-01-12T09:30:00Z","fieldsV1":{"f:metadata":{"f:labels":{"f:app":{}}}}}]},` +
	`"spec":{"nodeName":"n1","containers":[{"name":"app","image":"registry.example/web@sha256:1c0c","args":["--ssn","` + ssn + `"],` +
	`"env":[{"name":"SSN","value":"` + ssn + `"}],"ports":[{"containerPort":8080}],"resources":{"limits":{"cpu":"100m"}}}]},` +
	`"status":{"phase":"Running","podIP":"10.0.0.7","startTime":"2026-01-12T09:30:00Z","message":"patient ` + ssn + `"}}`

func TestPod(t *testing.T) {
	t.Parallel()
	m := masks(t)
	for name, tc := range map[string]struct {
		p      kubemask.Plan
		absent []string
		kept   []string
	}{
		"scanned": {
			kubemask.Plan{Base: kubemask.Scan, Builtin: true},
			[]string{ssn, "212-555-0101"},
			[]string{"web-1", "2125550142ab", `"2026-01-12T09:30:00Z"`, "registry.example/web@sha256:1c0c", `"app":"web"`, "10.0.0.7", `"f:app"`, `"100m"`, "8080", "--ssn", `"name":"SSN"`},
		},
		"strict": {
			kubemask.Plan{Base: kubemask.Whole, Builtin: true},
			[]string{ssn, "212-555-0101", `"web"`, "--ssn", "managedFields", "f:app"},
			[]string{"web-1", "2125550142ab", "registry.example/web@sha256:1c0c", `"phase":"Running"`, "8080"},
		},
		"strict, of another type": {
			kubemask.Plan{Base: kubemask.Whole}, []string{ssn, "Running", "8080", "registry.example"}, []string{"web-1", "2125550142ab"},
		},
	} {
		for _, in := range []string{pod, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[` + pod + "," + pod + "]}"} {
			whole, err := run(t, m, tc.p, in, len(in))
			if err != nil || !json.Valid([]byte(whole)) {
				t.Fatalf("%s: %v\n%s", name, err, whole)
			}
			if split, err := run(t, m, tc.p, in, 7); err != nil || split != whole {
				t.Errorf("%s, in pieces: %v\n%s", name, err, split)
			}
			for _, s := range tc.absent {
				if strings.Contains(whole, s) {
					t.Errorf("%s: %s is shown\n%s", name, s, whole)
				}
			}
			for _, s := range tc.kept {
				if !strings.Contains(whole, s) {
					t.Errorf("%s: %s is not shown\n%s", name, s, whole)
				}
			}
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	m := masks(t)
	password := base64.StdEncoding.EncodeToString([]byte("hunter2-canary"))
	secret := `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","annotations":{"kubectl.kubernetes.io/last-applied-configuration":` +
		`"{\"data\":{\"password\":\"` + password + `\"},\"stringData\":{\"user\":\"canary-user\"}}"}},"data":{"password":"` + password + `","empty":""},"type":"Opaque"}`
	row := `{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{"name":"Name","type":"string"}],"rows":[{"cells":["db","Opaque",1],"object":` + secret + `}]}`
	inputs := map[string]string{
		"object": secret, "list": `{"kind":"SecretList","items":[` + secret + `]}`, "table": row,
		"escaped list": `{"kind":"SecretList","it\u0065ms":[` + secret + `]}`,
		"watch":        `{"type":"ADDED","object":` + secret + `}`, "watch of tables": `{"type":"ADDED","object":` + row + `}`,
	}
	for name, in := range inputs {
		for _, p := range []kubemask.Plan{
			{Base: kubemask.Scan, Data: kubemask.SecretData, Builtin: true},
			{Base: kubemask.Scan, Data: kubemask.SecretData, DataLevel: kubemask.Scan, Builtin: true},
			{Base: kubemask.Whole, Data: kubemask.SecretData, Builtin: true},
			{Base: kubemask.Raw, Data: kubemask.SecretData, Builtin: true},
		} {
			out, err := run(t, m, p, in, 11)
			if err != nil || !json.Valid([]byte(out)) || strings.Contains(out, password) || strings.Contains(out, "canary") || !strings.Contains(out, kubemask.EncodedSentinel) {
				t.Errorf("%s %+v: %v\n%s", name, p, err, out)
			}
			if !strings.Contains(out, `"name":"db"`) || !strings.Contains(out, `"password":`) {
				t.Errorf("%s %+v: names are gone\n%s", name, p, out)
			}
		}
	}
	out, err := run(t, m, kubemask.Plan{Base: kubemask.Scan, Data: kubemask.SecretData, DataLevel: kubemask.Raw, Builtin: true}, secret, 9)
	if err != nil || strings.Count(out, password) != 2 {
		t.Errorf("raw data: %v\n%s", err, out)
	}
	if b, err := base64.StdEncoding.DecodeString(kubemask.EncodedSentinel); err != nil || string(b) != kubemask.Sentinel {
		t.Errorf("%s, %v", b, err)
	}
}

func TestConfigMaps(t *testing.T) {
	t.Parallel()
	m := masks(t)
	in := `{"kind":"ConfigMap","metadata":{"name":"ids"},"data":{"one":"plainvalue","two":"` + ssn + `"},"binaryData":{"b":"cGxhaW52YWx1ZQ=="}}`
	for level, want := range map[kubemask.Level]string{
		kubemask.Whole: `{"kind":"ConfigMap","metadata":{"name":"ids"},"data":{"one":"[SECRET]","two":"[SECRET]"},"binaryData":{"b":"W1NFQ1JFVF0="}}`,
		kubemask.Scan:  `{"kind":"ConfigMap","metadata":{"name":"ids"},"data":{"one":"plainvalue","two":"[SSN]"},"binaryData":{"b":"cGxhaW52YWx1ZQ=="}}`,
		kubemask.Raw:   in,
	} {
		out, err := run(t, m, kubemask.Plan{Base: kubemask.Scan, Data: kubemask.ConfigMapData, DataLevel: level, Builtin: true}, in, 5)
		if diff := cmp.Diff(want, out); err != nil || diff != "" {
			t.Errorf("level %d: %v (-want +got):\n%s", level, err, diff)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	m := masks(t)
	frame := `{"type":"MODIFIED","object":` + pod + "}\n"
	p := kubemask.Plan{Base: kubemask.Scan, Builtin: true, Frames: true}
	out, err := run(t, m, p, frame+frame+`{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9"}}}`, 64)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || len(lines) != 3 || lines[0] != lines[1] || strings.Contains(out, ssn) || !strings.HasPrefix(lines[2], `{"type":"BOOKMARK",`) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run(t, m, p, frame+`{"type":`, 64); err == nil {
		t.Error("a frame that breaks off passes for whole")
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	m := masks(t)
	for _, in := range []string{
		``, `[]`, `"x"`, `{`, `{"a"`, `{"a":1`, `{"a":1]`, `{"items":[1}`, `{"items":[1,]}`, `{"items":[1]`, `{"items":[1] x}`, `{"a":1}{"b":2}`, `{"a":1} x`, `{a:1}`, `{"a":"` + "\xff" + `"}`,
		`{"a":{"b":"` + "\x00" + `"}}`, `{"items":[{"a":}]}`, `{"a" 1}`, `{"a":1:2}`, `{{}}`,
	} {
		if out, err := run(t, m, kubemask.Plan{Base: kubemask.Scan}, in, 3); err == nil {
			t.Errorf("%q passes as %q", in, out)
		}
	}
}

// FuzzWriter looks for answers that become something else than JSON, or that depend
// on how they are cut.
func FuzzWriter(f *testing.F) {
	m := masks(f)
	for _, s := range []string{pod, `{"items":[` + pod + `]}`, `{"a":1,"b":[],"items":[],"c":{}}`, `{"type":"ADDED","object":{}}`, `{"rows":[{"cells":["` + ssn + `"]}]}`, `{ "it\u0065ms" : [ 1 , 2 ] }`} {
		f.Add([]byte(s), uint8(3), false)
		f.Add([]byte(s+s), uint8(50), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint8, frames bool) {
		if len(in) > 1<<16 {
			return
		}
		p := kubemask.Plan{Base: kubemask.Scan, Data: kubemask.SecretData, Builtin: true, Frames: frames}
		whole, err := run(t, m, p, string(in), max(len(in), 1))
		split, serr := run(t, m, p, string(in), int(size)+1)
		if (err == nil) != (serr == nil) || err == nil && whole != split {
			t.Fatalf("%q cut by %d: %v %q, %v %q", in, size, err, whole, serr, split)
		}
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(whole))
		for d.More() {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q becomes %q: %v", in, whole, err)
			}
		}
		if !frames && !json.Valid([]byte(whole)) {
			t.Fatalf("%q becomes %q", in, whole)
		}
	})
}
