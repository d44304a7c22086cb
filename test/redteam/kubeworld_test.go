// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// What nobody may see: an identifier, the beginnings of it that no scanner knows, a
// secret that looks like nothing and one as the API has it, and a value that has a label.
const (
	kubeCanary   = "219-09-9999"
	kubePassword = "hunter2-canary"
	kubeLabelled = "ward seven, bed two"
)

var errSeen = errors.New("the client saw what it may not see")

const kubePolicy = `
@id("connect") permit(principal, action == Action::"connect", resource);
@id("clinic") permit(principal in Role::"ops", action in [Action::"read", Action::"write", Action::"delete"], resource in Path::"prod/clinic");
@id("nodes") permit(principal in Role::"ops", action == Action::"read", resource in Path::"prod/-");
@id("exec") permit(principal in Role::"ops", action == Action::"execute", resource in Path::"prod/clinic/pods/web-1");
@id("commands") permit(principal in Role::"ops", action == Action::"execute", resource in Resource::"prod") when { resource is Command && resource != Command::"prod/*" };
@id("root") permit(principal in Role::"root", action in [Action::"read", Action::"write", Action::"delete", Action::"destroy", Action::"define", Action::"administer"], resource in Resource::"prod");
@id("bad") permit(principal in Role::"watch", action == Action::"read", resource in Path::"bad/clinic");
@id("scanned") permit(principal, action == Action::"readScanned", resource in Label::"unclassified");
@id("protected") forbid(principal, action in [Action::"write", Action::"delete"], resource)
when { context has kubernetes && context.kubernetes has labels && context.kubernetes.labels.contains("protected=true") };
`

const kubeResource = `  - name: prod
    type: kubernetes
    credential: {password: "file:cluster.token"}
    tls: {ca: %s}
    kubernetes:
      url: %s
      unlisted: judge
      timeout: 5s
      objects:
        - {namespaces: [clinic], resources: [configmaps], names: [ids], labels: [phi.id]}
        - {namespaces: [clinic], resources: [persistentvolumeclaims], names: [charts], labels: [phi.id]}
        - {resources: [persistentvolumes], names: [disk], labels: [phi.id]}
      commands:
        - {name: note, words: [cat, "srv/notes/{file}"]}
        - {name: say, words: [echo, "{words...}"], shell: true}
      files:
        prefixes:
          - {prefix: /srv/notes, labels: [unclassified], plain_names: true}
`

const kubeBadResource = `  - name: bad
    type: kubernetes
    credential: {password: "file:cluster.token"}
    kubernetes: {url: %s}
`

// kubeArena is a gateway before a real cluster and a wicked one.
type kubeArena struct {
	*testing.T
	gatewaytest.Caller
	bad     gatewaytest.Caller // towards the wicked one
	root    gatewaytest.Caller // who may change everything, and is shown no more than others
	cluster *kubepeer.Cluster
	kubectl kubepeer.Client
	config  string
	audit   string // the API server's own log of what it was asked
	seen    strings.Builder
}

func startKube(t *testing.T) *kubeArena {
	t.Helper()
	dir := t.TempDir()
	a := &kubeArena{T: t, audit: filepath.Join(dir, "audit.log")}
	rules := filepath.Join(dir, "audit.yaml")
	if err := os.WriteFile(rules, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := kubepeer.Start(t, kubepeer.Flags("--audit-policy-file="+rules, "--audit-log-path="+a.audit, "--audit-log-mode=blocking-strict"))
	wicked := httptest.NewServer(http.HandlerFunc(wickedCluster))
	t.Cleanup(wicked.Close)
	g := gatewaytest.Start(t, gatewaytest.Policy(kubePolicy), gatewaytest.File("cluster.token", c.GatewayToken), gatewaytest.Waits(0, time.Second),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(kubeResource, c.CAFile, c.URL)), gatewaytest.Resource("bad", "watch", fmt.Sprintf(kubeBadResource, wicked.URL)),
		gatewaytest.Resource("prod", "root", ""))
	c.Allow("Group", "sallyport:ops", "", kubepeer.Everything(), kubepeer.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}})
	c.Allow("Group", "sallyport:root", "", kubepeer.Everything(), kubepeer.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}})
	a.cluster, a.kubectl, a.Caller, a.bad, a.root = c, c.Clients()[0], g.Caller(t, "prod", "ops"), g.Caller(t, "bad", "watch"), g.Caller(t, "prod", "root")
	a.config = kubepeer.Kubeconfig(t, "https://"+g.HTTPAddress()+"/k8s/prod", filepath.Join(g.Dir, "ca.pem"), a.Token)
	a.furnish()
	return a
}

// furnish makes what is to be seen or changed.
func (a *kubeArena) furnish() {
	c := a.cluster
	const maps = "/api/v1/namespaces/clinic/configmaps"
	c.Namespace("clinic", nil)
	c.Namespace("other", nil)
	c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1", Files: map[string]string{"srv/notes/n.txt": "SSN " + kubeCanary + " of a patient\n", "srv/notes/c.txt": "SSN 219-\x1b[31m09\x1b[0m-9999 of\n"}})
	c.CreatePod(kubepeer.Pod{Namespace: "other", Name: "far-1"})
	c.Secret("clinic", "db", "Opaque", map[string]string{"password": kubePassword})
	c.Create(maps, map[string]any{"metadata": map[string]any{"name": "ids"}, "data": map[string]string{"one": kubeLabelled}})
	c.Create(maps, map[string]any{"metadata": map[string]any{"name": "free", "labels": map[string]string{"ward": "seven-bed-two"}, "annotations": map[string]string{"note": "SSN " + kubeCanary}}, "data": map[string]string{"ssn": "SSN " + kubeCanary}})
	c.Create(maps, map[string]any{"metadata": map[string]any{"name": "kept", "labels": map[string]string{"protected": "true"}}})
	c.Create("/api/v1/namespaces/clinic/pods", map[string]any{"metadata": map[string]any{"name": "kept", "labels": map[string]string{"protected": "true"}}, "spec": map[string]any{
		"containers": []any{map[string]any{"name": "main", "image": "synthetic"}},
	}})
	c.Create("/api/v1/namespaces/clinic/pods", map[string]any{"metadata": map[string]any{"name": "env-1"}, "spec": map[string]any{
		"nodeName":   kubepeer.NodeName,
		"containers": []any{map[string]any{"name": "main", "image": "synthetic", "env": []any{map[string]any{"name": "PATIENT", "value": kubeCanary}}}},
	}})
	c.Log("clinic", "web-1", "main", kubepeer.Piece{Text: "start\npatient 219-0"}, kubepeer.Piece{Text: "9-9999 seen\n\x1b[31mSSN 219-\x1b[0m09-9999 of\nlast\n"})
	c.EndLog("clinic", "web-1", "main")
}

// ask sends a request to the cluster through the gateway and keeps what comes back.
func (a *kubeArena) ask(verb, path, body string, set ...func(*http.Request)) gatewaytest.Answer {
	got := a.Ask(a.T, verb, "/k8s/prod"+path, body, set...)
	a.saw(got)
	return got
}

func (a *kubeArena) saw(got gatewaytest.Answer) {
	fmt.Fprintln(&a.seen, got.Status, got.Header, got.Body)
}

// run runs kubectl through the gateway.
func (a *kubeArena) run(input string, args ...string) kubepeer.Result {
	got := a.kubectl.Run(a.T, a.config, input, args...)
	a.seen.WriteString(got.String())
	return got
}

// shown returns an error if what the client saw has something in it that it may not see.
func (a *kubeArena) shown() error {
	text := a.seen.String()
	a.seen.Reset()
	for _, s := range []string{kubeCanary, "219-09", "09-9999", kubePassword, base64.StdEncoding.EncodeToString([]byte(kubePassword)), kubeLabelled} {
		if strings.Contains(text, s) {
			return fmt.Errorf("%w: %q in %.900s", errSeen, s, text)
		}
	}
	return nil
}

// event is a line of the API server's own log.
type kubeEvent struct {
	Verb       string
	RequestURI string
	UserAgent  string
	User       struct{ Username string }
}

// changes are the requests of the gateway's, beyond reading, that the API server has been
// sent since the log was from bytes long, and how long it is now.
func (a *kubeArena) changes(from int) (found []string, n int) {
	b, err := os.ReadFile(a.audit)
	if err != nil {
		a.Fatal(err)
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	for line := range bytes.Lines(b[from:end]) {
		var e kubeEvent
		if err := json.Unmarshal(line, &e); err != nil {
			a.Fatal(err)
		}
		if e.User.Username == kubepeer.GatewayUser && e.Verb != "get" && e.Verb != "list" && e.Verb != "watch" {
			found = append(found, e.Verb+" "+e.RequestURI)
		}
	}
	return found, end
}

// denials counts those on record.
func (a *kubeArena) denials() (n int) {
	for name, b := range a.Traces(a.T) {
		if strings.Contains(name, "/ledger/wal/") {
			n += bytes.Count(b, []byte(`"type":"denial"`))
		}
	}
	return n
}

// wickedCluster answers with what cannot be masked, or with values where none belong.
func wickedCluster(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	const note = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","annotations":{"n":"SSN ` + kubeCanary + `"}}}`
	switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
	case "unknown":
		h.Set("Content-Type", "application/vnd.unheard-of")
		_, _ = io.WriteString(w, note)
	case "packed":
		h.Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, note)
	case "trailers":
		h.Set("Trailer", "X-Note")
		_, _ = io.WriteString(w, note)
		h.Set("X-Note", "SSN "+kubeCanary)
	case "elsewhere":
		h.Set("Location", "http://127.0.0.1:1/"+kubeCanary)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "switch":
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "anything")
		w.WriteHeader(http.StatusSwitchingProtocols)
	case "twice":
		_, _ = io.WriteString(w, note+note)
	case "names":
		_, _ = io.WriteString(w, `{"kind":"Pod","kind":"Pod","metadata":{"annotations":{"n":"\u0053SN 219\u002d09-9999"}}}`)
	case "headers":
		h.Set("Warning", `299 - "SSN `+kubeCanary+`"`)
		h.Set("X-Note", "SSN "+kubeCanary)
		h.Set("Audit-Id", kubeCanary)
		h.Set("Set-Cookie", "a="+kubeCanary)
		_, _ = io.WriteString(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}`)
	case "credential":
		_, _ = io.WriteString(w, `{"kind":"Pod","metadata":{"annotations":{"n":"`+r.Header.Get("Authorization")+`"}}}`)
	case "giants":
		giants(w)
	default:
		if port := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; strings.Trim(port, "0123456789") == "" {
			h.Set("Location", "http://127.0.0.1:"+port+r.URL.Path)
			w.WriteHeader(http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Invalid value: SSN `+kubeCanary+`","details":{"causes":[{"message":"SSN `+kubeCanary+`"}]},"code":422}`)
	}
}
