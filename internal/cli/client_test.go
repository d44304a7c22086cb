// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/cli"
)

// run runs a command with an environment of its own.
func run(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(t.Context(), cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return env[k] },
		Now: time.Now, Rand: rand.Reader, Version: "test",
	}, args)
	return code, out.String(), errs.String()
}

// answering starts what answers in a gateway's place with what no gateway can
// be brought to answer, and returns the environment that leads there.
func answering(t *testing.T, h http.HandlerFunc) map[string]string {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"SALLYPORT_SERVER": srv.URL, "SALLYPORT_CA": ca, "SALLYPORT_TOKEN": "secret.token.value"}
}

func TestKindsAndExitCodes(t *testing.T) {
	t.Parallel()
	codes := map[sallyport.Kind]int{
		sallyport.Denied: cli.ExitDenied, sallyport.Unauthenticated: cli.ExitDenied, sallyport.Held: cli.ExitHeld, sallyport.Integrity: cli.ExitFailed,
	}
	for k := sallyport.Internal; k <= sallyport.Integrity; k++ {
		env := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"kind": k.String(), "message": "what\x1b[2J happened", "hint": "do this"}})
		})
		want, ok := codes[k]
		if !ok {
			want = cli.ExitError
		}
		code, stdout, stderr := run(t, env, "whoami")
		if code != want {
			t.Errorf("kind %v: exit code %d, want %d", k, code, want)
		}
		if diff := cmp.Diff([]string{"", "sallyport: what\\x1b[2J happened\nhint: do this\n"}, []string{stdout, stderr}); diff != "" {
			t.Errorf("kind %v (-want +got):\n%s", k, diff)
		}
		_, _, stderr = run(t, env, "whoami", "-o", "json")
		want2 := map[string]any{"error": map[string]any{"kind": k.String(), "message": "what\x1b[2J happened", "hint": "do this"}}
		var got map[string]any
		if err := json.Unmarshal([]byte(stderr), &got); err != nil {
			t.Fatalf("kind %v: %v in %s", k, err, stderr)
		}
		if diff := cmp.Diff(want2, got); diff != "" {
			t.Errorf("kind %v (-want +got):\n%s", k, diff)
		}
	}
}

func TestAnswersOfNoGateway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		args    []string
		serve   http.HandlerFunc
		code    int
		message string
	}{
		{"a web page", []string{"whoami"}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, cli.ExitError, "what answered is no gateway"},
		{"another form", []string{"whoami"}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`[1]`)) }, cli.ExitError, "another form"},
		{"an error that is a page", []string{"whoami"}, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, cli.ExitDenied, "403 Forbidden"},
		{"a token that is none", []string{"token", "--resource", "r", "--role", "x"}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }, cli.ExitError, "holds no token"},
		{
			"a step that is cut",
			[]string{"session", "replay", "s_1", "-o", "json"},
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{\"stmt\":1}\n{\"st")) }, cli.ExitError, "broke off",
		},
		{
			"a bundle that is cut",
			[]string{"evidence", "export", "--purpose", "test", "-f", filepath.Join(t.TempDir(), "out.zip")},
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("PK"))
			}, cli.ExitError, "could not be written",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := run(t, answering(t, tt.serve), tt.args...)
			if code != tt.code || !strings.Contains(stderr, tt.message) {
				t.Errorf("exit code %d, want %d; %q lacks %q", code, tt.code, stderr, tt.message)
			}
			if file := tt.args[len(tt.args)-1]; filepath.IsAbs(file) {
				left, err := os.ReadDir(filepath.Dir(file))
				if err != nil || len(left) != 0 {
					t.Errorf("files are left behind: %v, %v", left, err)
				}
			}
		})
	}
}

// The token goes where the user said and nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := make(chan string, 10)
	other := answering(t, func(_ http.ResponseWriter, r *http.Request) { elsewhere <- r.Header.Get("Authorization") })
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other["SALLYPORT_SERVER"]+r.URL.Path, http.StatusTemporaryRedirect)
	})
	for _, args := range [][]string{{"whoami"}, {"token", "--resource", "r", "--role", "x"}, {"session", "replay", "s_1", "-o", "json"}} {
		code, _, stderr := run(t, env, args...)
		if code != cli.ExitError || !strings.Contains(stderr, "307") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
		if strings.Contains(stderr, "secret.token") {
			t.Errorf("%v: the token is in what was printed: %s", args, stderr)
		}
	}
	if len(elsewhere) != 0 {
		t.Error("a redirect was followed")
	}
}

// The endpoint of exchanges gets the token in the body alone.
func TestWhereTheTokenGoes(t *testing.T) {
	t.Parallel()
	type seen struct{ Path, Authorization, Subject string }
	var got []seen
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, seen{r.URL.Path, r.Header.Get("Authorization"), r.PostFormValue("subject_token")})
		_, _ = w.Write([]byte(`{"access_token":"spt_x","expires_in":60,"scope":"x","id":"human:a"}`))
	})
	for _, args := range [][]string{{"token", "--resource", "r", "--role", "x"}, {"whoami"}} {
		if code, _, stderr := run(t, env, args...); code != cli.ExitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
	}
	want := []seen{{"/v1/token", "", "secret.token.value"}, {"/v1/whoami", "Bearer secret.token.value", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A wait ends when the caller is interrupted.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			cancel()
			<-r.Context().Done()
			return
		}
		_, _ = w.Write([]byte(`{"id":"req_1","state":"open","approvers":"group:x"}`))
	})
	var out, errs bytes.Buffer
	code := cli.Run(ctx, cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return env[k] },
		Now: time.Now, Rand: rand.Reader, Version: "test",
	}, []string{"request", "--resource", "r", "--role", "x", "--reason", "why", "--wait"})
	if code != cli.ExitError || !strings.HasSuffix(errs.String(), "sallyport: interrupted\n") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	if code, _, stderr := run(t, nil, "demo"); code != cli.ExitUsage || !strings.Contains(stderr, "is no command") {
		t.Errorf("without a demonstration: exit code %d: %s", code, stderr)
	}
	var kept []bool
	env := cli.Env{
		Stdin: strings.NewReader(""), Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer), Getenv: func(string) string { return "" },
		Now: time.Now, Rand: rand.Reader, Version: "test",
		Demo: func(_ context.Context, env cli.Env, keep bool) error {
			kept = append(kept, keep)
			if env.Version != "test" {
				t.Errorf("the environment is not passed on: %+v", env)
			}
			return sallyport.E(sallyport.Unavailable, "demo", "no PostgreSQL is installed")
		},
	}
	for _, args := range [][]string{{"demo"}, {"demo", "--keep"}} {
		if code := cli.Run(t.Context(), env, args); code != cli.ExitError {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if diff := cmp.Diff([]bool{false, true}, kept); diff != "" {
		t.Errorf("keep (-want +got):\n%s", diff)
	}
}

// TestCheckpointTellsWhoCosigned has a checkpoint answered that a synthetic log
// signed and a synthetic witness cosigned.
func TestCheckpointTellsWhoCosigned(t *testing.T) {
	t.Parallel()
	skey, vkey, err := note.GenerateKey(rand.Reader, "sallyport.test/gw")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	cp := evidence.Checkpoint{Origin: "sallyport.test/gw", Size: 7}
	signed, err := note.Sign(&note.Note{Text: cp.Text()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, err := evidence.CosignerKey("witness.test/w1", private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	c, err := evidence.NewCosigner(key)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, c.KeyHash()), 1767225600)
	b = append(b, ed25519.Sign(private, evidence.CosignedMessage(1767225600, []byte(cp.Text())))...)
	text := string(signed) + "\u2014 witness.test/w1 " + base64.StdEncoding.EncodeToString(b) + "\n"
	env := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	policy := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(policy, []byte("witness w1 "+key+"\nquorum w1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, env, "audit", "checkpoint", "--key", vkey, "--policy", policy)
	if code != 0 || stdout != text || !strings.HasPrefix(stderr, "w1 cosigned at ") || !strings.Contains(stderr, "(witness.test/w1+") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = run(t, env, "audit", "checkpoint", "--key", vkey, "--policy", policy, "-o", "json")
	if code != 0 || !strings.Contains(stdout, `"time": "2026-01-01T00:00:00Z"`) || !strings.Contains(stdout, `"witness": "w1"`) {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, _, stderr := run(t, env, "audit", "checkpoint", "--policy", policy); code != cli.ExitError || !strings.Contains(stderr, "names no log") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestEstimateOfARequest shows what the target says of a held statement.
func TestEstimateOfARequest(t *testing.T) {
	t.Parallel()
	for estimate, want := range map[string]string{
		`{"kind":"DROP_TABLE","tables":["p.clinic.work"]}`:                    "DROP_TABLE, 0 bytes to read, of p.clinic.work",
		`{"kind":"DELETE","bytes":2048,"tables":["p.clinic.a","p.clinic.b"]}`: "DELETE, 2048 bytes to read, of p.clinic.a, p.clinic.b",
		`{"none":"it does not answer"}`:                                       "no estimate: it does not answer",
		`null`:                                                                "",
	} {
		env := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":"req_1","kind":"hold","hold":{"session":"s_1","stmt":1,"readable":"DROP TABLE work","estimate":` + estimate + `}}`))
		})
		code, out, errs := run(t, env, "request", "show", "req_1")
		if code != 0 || strings.Contains(out, "the target says") != (want != "") || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s%s", estimate, code, out, errs)
		}
	}
}
