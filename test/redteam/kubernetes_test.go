// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// kubeRow is one attempt.
type kubeRow struct {
	id, tries string
	by        string // what closes it
	denial    bool   // it is on record as refused
	changes   bool   // something is meant to change in the cluster
	limit     bool   // it cannot be closed, and stands in docs/limits.md
	try       func(*kubeArena) error
}

// Nothing of what an opponent of the Kubernetes connector tries shows a value that is
// masked, changes anything in the cluster that policy does not permit, or goes unrecorded
// where policy refused it.
func TestKubernetes(t *testing.T) {
	a := startKube(t)
	open := 0
	rows := slices.Concat(kubeHeaders(), kubePaths(), kubeForms(), kubeWrites(), kubeSecrets(), kubePrivileges(), kubePrograms(), kubeAnswers(),
		kubeEchoes(), kubeCredentials(), kubeTexts(), kubeVolumes(), kubeArchives(), kubeWire(), kubeParameters(), kubeFloods(), kubeLimits())
	_, audited := a.changes(0)
	for _, r := range rows {
		before := a.denials()
		err := errors.Join(r.try(a), a.shown())
		var changed []string
		if changed, audited = a.changes(audited); len(changed) > 0 && !r.changes {
			err = errors.Join(err, fmt.Errorf("the cluster was asked to %v", changed))
		}
		if r.denial && a.denials() == before {
			err = errors.Join(err, errors.New("nothing of it is on record"))
		}
		word := "closed"
		if r.limit {
			word = "limit "
		}
		if err != nil {
			open, word = open+1, "OPEN  "
			t.Errorf("%s %s: %v", r.id, r.tries, err)
		}
		fmt.Printf("%s  %s  %s\n", word, r.id, r.tries) //nolint:forbidigo // the table is what is wanted
	}
	fmt.Printf("kubernetes: %d attempts, %d open\n", len(rows), open) //nolint:forbidigo // as above
	a.Stop(t)
	for name, b := range a.Traces(t) {
		if s := string(b); strings.Contains(s, kubeCanary) || strings.Contains(s, kubePassword) {
			t.Errorf("%s has a canary", name)
		}
	}
}

// refused is an attempt that ends with a status and words of the gateway's.
func refused(id, tries, by string, code int, says, verb, path, body string, set ...func(*http.Request)) kubeRow {
	return kubeRow{id: id, tries: tries, by: by, try: func(a *kubeArena) error { return wants(a.ask(verb, path, body, set...).Status, code, a, says) }}
}

// denied is [refused] by policy.
func denied(id, tries, by, says, verb, path, body string, set ...func(*http.Request)) kubeRow {
	r := refused(id, tries, by, http.StatusForbidden, says, verb, path, body, set...)
	r.denial = true
	return r
}

// masked is an attempt that is answered, without what may not be seen.
func masked(id, tries, by, says, verb, path, body string, set ...func(*http.Request)) kubeRow {
	return refused(id, tries, by, http.StatusOK, says, verb, path, body, set...)
}

func wants(got, code int, a *kubeArena, says string) error {
	if text := a.seen.String(); got != code || !strings.Contains(text, says) {
		return fmt.Errorf("want %d %q: %.700s", code, says, text)
	}
	return nil
}

// head sets a header as it is written.
func head(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

// connect makes a connection of a protocol to the gateway that ends after a time.
func (a *kubeArena) connect(protocol string, patience time.Duration) (net.Conn, error) {
	cfg := a.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
	cfg.NextProtos = []string{protocol}
	c, err := (&tls.Dialer{Config: cfg}).DialContext(a.Context(), "tcp", a.HTTPAddress())
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// raw is an attempt in bytes over HTTP/1.1, given the beginning of a request; the last
// answer has a status.
func raw(id, tries, by, code string, bytes func(head string) string) kubeRow {
	return kubeRow{id: id, tries: tries, by: by, try: func(a *kubeArena) error {
		c, err := a.connect("http/1.1", 20*time.Second)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was read
		head := "GET /k8s/prod" + kubePods + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + a.Token + "\r\n"
		_, werr := io.WriteString(c, bytes(head)) // the answer may come before the end
		b, _ := io.ReadAll(c)
		a.seen.Write(b)
		last := string(b[strings.LastIndex(string(b), "HTTP/1.1 ")+1:])
		if !strings.HasPrefix(last, "TTP/1.1 "+code) {
			return fmt.Errorf("%w: %.300s", errors.Join(errSeen, werr), b)
		}
		return nil
	}}
}

func media(s string) func(*http.Request) { return head("Content-Type", s) }

// Paths that many attempts are about.
const (
	kubePods   = "/api/v1/namespaces/clinic/pods"
	kubeMaps   = "/api/v1/namespaces/clinic/configmaps"
	kubeDB     = "/api/v1/namespaces/clinic/secrets/db"
	kubeRights = "/apis/rbac.authorization.k8s.io/v1"
	jsonPatch  = "application/json-patch+json"
	mergePatch = "application/merge-patch+json"
)

func kubeHeaders() []kubeRow {
	const by = "connector/kubernetes unusable"
	return []kubeRow{
		refused("K001", "be the administrator by Impersonate-User", by, 403, "impersonation", "GET", kubePods, "", head("Impersonate-User", "admin")),
		refused("K002", "the same, in another spelling", by, 403, "impersonation", "GET", kubePods, "", head("iMPERSONATE-uSER", "admin")),
		refused("K003", "a group of the cluster's own by Impersonate-Group and -Uid", by, 403, "impersonation", "GET", kubePods, "", head("Impersonate-Group", "system:masters"), head("Impersonate-Uid", "1")),
		refused("K004", "a session of somebody else by Impersonate-Extra", by, 403, "impersonation", "GET", kubePods, "", head("Impersonate-Extra-Sallyport-Session", "x")),
		refused("K005", "be a front proxy by X-Remote-User and -Group", by, 403, "front proxies", "GET", kubePods, "", head("X-Remote-User", "admin"), head("x-remote-group", "system:masters")),
		refused("K006", "another method by X-HTTP-Method-Override", by, 400, "two methods", "GET", kubeDB, "", head("X-HTTP-Method-Override", "DELETE")),
		{id: "K007", tries: "two Authorization headers", by: "httpgate credentials", try: func(a *kubeArena) error {
			got := a.ask("GET", kubePods, "", head("Authorization", "Bearer "+a.Token, "Bearer "+a.cluster.AdminToken))
			if got.Status < 400 {
				return fmt.Errorf("%d", got.Status)
			}
			return nil
		}},
		{id: "K008", tries: "the cluster's own token at the gateway", by: "httpgate credentials", try: func(a *kubeArena) error {
			return wants(a.ask("GET", kubePods, "", head("Authorization", "Bearer "+a.cluster.AdminToken)).Status, 401, a, "")
		}},
		refused("K009", "a token in the query", "connector/kubernetes canonicalQuery", 400, "credential", "GET", kubePods+"?access_token=x", ""),
		refused("K010", "a WebSocket of a resource that has none (cluster's token among its protocols)", "connector/kubernetes exchange", 400, "protocol", "GET", kubePods, "",
			head("Connection", "Upgrade"), head("Upgrade", "websocket"), head("Sec-Websocket-Protocol", "base64url.bearer.authorization.k8s.io.eA")),
	}
}

func kubePaths() []kubeRow {
	const by = "connector/kubernetes splitPath"
	row := func(id, tries, path string) kubeRow {
		return refused(id, tries, by, 400, "sallyport", "GET", "", "", func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/k8s/prod" + path })
	}
	return []kubeRow{
		row("K011", "another namespace by ../", "/api/v1/namespaces/clinic/../other/pods"),
		row("K012", "another namespace by %2e%2e", "/api/v1/namespaces/clinic/%2e%2e/other/pods"),
		row("K013", "a hidden separator (%2f)", "/api/v1/namespaces%2fother/pods"),
		row("K014", "an empty segment", "/api/v1//namespaces/other/pods"),
		row("K015", "a parameter of a segment (;)", "/api/v1/namespaces/clinic;a=b/pods"),
		row("K016", "an encoding within an encoding", "/api/v1/namespaces/clinic/%252e%252e/pods"),
		row("K017", "a line feed in the path", kubePods+"/a%0d%0aX-Remote-User:admin"),
		denied("K018", "the verb of old in the path: watch", "analyze/kube malformed", "old form", "GET", "/api/v1/watch/namespaces/other/pods", ""),
		denied("K019", "the verb of old in the path: proxy", "analyze/kube malformed", "", "GET", "/api/v1/proxy/namespaces/clinic/pods/web-1", ""),
		denied("K020", "a namespace that policy does not have", "policy", "", "GET", "/api/v1/namespaces/other/pods", ""),
		denied("K021", "all namespaces at once", "analyze/kube Call.namespace", "", "GET", "/api/v1/pods", ""),
		denied("K022", "all namespaces by a selector of one name", "analyze/kube Call.namespace", "", "GET", "/api/v1/pods?fieldSelector=metadata.name%3Dfar-1", ""),
		denied("K023", "the namespace * or - by name", "policy", "", "GET", "/api/v1/namespaces/*/pods", ""),
		refused("K024", "watch twice, with different values", "connector/kubernetes canonicalQuery", 400, "twice", "GET", kubePods+"?watch=false&%77atch=1", ""),
		denied("K025", "metrics and the API server's files", "analyze/kube discovery", "discovery", "GET", "/logs/kube-apiserver.log", ""),
		denied("K026", "a path outside the API by POST", "analyze/kube discovery", "discovery", "POST", "/version", "{}"),
		denied("K027", "OPTIONS", "analyze/kube malformed", "OPTIONS", "OPTIONS", kubePods, ""),
		denied("K028", "HEAD, whose answer is told by its length", "analyze/kube malformed", "", "HEAD", kubeDB, ""),
		denied("K029", "a path that goes on behind a subresource", "analyze/kube malformed", "behind its subresource", "GET", kubePods+"/web-1/log/more", ""),
		refused("K030", "an unknown group, and kinds in upper case", "the cluster, masked", 404, "", "GET", "/apis/CORE/v1/namespaces/clinic/Secrets", ""),
	}
}

func kubeForms() []kubeRow {
	const secret = "connector/kubernetes plan, mask/kubemask"
	return []kubeRow{
		refused("K031", "an answer in protobuf", "connector/kubernetes acceptable", 406, "no JSON", "GET", kubeDB, "", head("Accept", "application/vnd.kubernetes.protobuf")),
		refused("K032", "an answer in CBOR or YAML", "connector/kubernetes acceptable", 406, "no JSON", "GET", kubeDB, "", head("Accept", "application/cbor, application/yaml")),
		masked("K033", "protobuf first, JSON second", "connector/kubernetes accepted.header", "W1NFQ1JFVF0=", "GET", kubeDB, "", head("Accept", "application/vnd.kubernetes.protobuf,application/json;q=0.1")),
		masked("K034", "Secrets as a table with the objects", secret, "W1NFQ1JFVF0=", "GET", "/api/v1/namespaces/clinic/secrets?includeObject=Object", "", head("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1")),
		masked("K035", "Secrets as metadata alone", secret, "PartialObjectMetadataList", "GET", "/api/v1/namespaces/clinic/secrets", "", head("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")),
		masked("K036", "a watch of Secrets", secret, "W1NFQ1JFVF0=", "GET", "/api/v1/namespaces/clinic/secrets?watch=yes&timeoutSeconds=1&resourceVersion=0", ""),
		masked("K037", "a watch as a stream of tables", secret, "W1NFQ1JFVF0=", "GET", "/api/v1/namespaces/clinic/secrets?watch=true&timeoutSeconds=1&resourceVersion=0&includeObject=Object", "",
			head("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1;stream=watch")),
		masked("K038", "a ConfigMap with a label, in a list", "analyze/kube Layout.Labels", "free", "GET", kubeMaps, ""),
		masked("K039", "a ConfigMap with a label, by a selector of another name", "analyze/kube Layout.Labels", "", "GET", kubeMaps+"?fieldSelector=metadata.name%21%3Dfree", ""),
		masked("K040", "a canary in an annotation and in data", "mask/kubemask", "[SSN]", "GET", kubeMaps+"/free", ""),
		masked("K041", "a canary in the environment of a pod", "mask/kubemask", "[SSN]", "GET", kubePods+"/env-1", ""),
		refused("K042", "a body with a member twice", "analyze/kube Parse", 400, "twice", "POST", kubeMaps, `{"metadata":{"name":"x"},"metadata":{"name":"y"}}`),
		refused("K043", "a body of two documents", "analyze/kube Parse", 400, "one document", "POST", kubeMaps, `{"metadata":{"name":"x"}}{}`),
		refused("K044", "a packed body", "connector/kubernetes unusable", 415, "packed", "POST", kubeMaps, "{}", head("Content-Encoding", "gzip")),
		refused("K045", "a body in CBOR", "connector/kubernetes form", 415, "form", "POST", kubeMaps, "\xd9\xd9\xf7\xa0", media("application/cbor")),
		refused("K046", "a body in protobuf with more in it than its type", "connector/kubernetes fromProtobuf", 415, "form", "POST", kubeMaps, "k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x04\xfa\x01\x01a", media("application/vnd.kubernetes.protobuf")),
		refused("K047", "YAML that grows a thousandfold by references", "connector/kubernetes aliased", 400, "anchors", "POST", kubeMaps,
			"a: &a \""+strings.Repeat("x", 1<<10)+"\"\nb: ["+strings.Repeat("*a, ", 1<<10)+"*a]\n", media("application/yaml")),
		refused("K048", "a body of GET", "connector/kubernetes readBody", 400, "body", "GET", kubePods, "{}"),
		raw("K049", "a header of 2 MiB", "httpgate limits", "431", func(head string) string {
			return head + "X-Large: " + strings.Repeat("x", 2<<20) + "\r\n\r\n"
		}),
		raw("K050", "two lengths of one body", "net/http", "400", func(head string) string {
			return head + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n{}  G"
		}),
		raw("K051", "a request hidden in the body of another", "net/http: what is behind it is another request, judged by itself", "401", func(head string) string {
			return head + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /k8s/prod" + kubeDB + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		}),
	}
}
