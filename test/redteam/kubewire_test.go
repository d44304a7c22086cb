// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// kubeArchives are archives of tar for a container that say more than files.
func kubeArchives() []kubeRow {
	row := func(id, tries string, headers ...tar.Header) kubeRow {
		return kubeRow{id: id, tries: "cp into a container of " + tries, by: "connector/kubernetes archive", changes: true, try: func(a *kubeArena) error {
			dir := a.cluster.Files("clinic", "web-1", nil)
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for i := range headers {
				h := headers[i]
				if err := w.WriteHeader(&h); err != nil {
					return err
				}
				if h.Typeflag == tar.TypeReg {
					if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
						return err
					}
				}
			}
			if err := w.Close(); err != nil {
				return err
			}
			got := a.run(b.String(), "-n", "clinic", "exec", "-i", "web-1", "--", "tar", "-xmf", "-", "-C", "/srv/notes")
			for _, name := range []string{"srv/notes/bad", "srv/bad", "bad", "srv/notes/" + strings.Repeat("x", 300)} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					return fmt.Errorf("%s is there", name)
				}
			}
			if got.Code == 0 {
				return fmt.Errorf("it was written: %s", got)
			}
			return nil
		}}
	}
	return []kubeRow{
		row("K151", "a symbolic link, and a file through it", tar.Header{Typeflag: tar.TypeSymlink, Name: "bad", Linkname: "/"}, tar.Header{Typeflag: tar.TypeReg, Name: "bad/x", Size: 1}),
		row("K152", "a hard link", tar.Header{Typeflag: tar.TypeLink, Name: "bad", Linkname: "/etc/passwd"}),
		row("K153", "a device", tar.Header{Typeflag: tar.TypeChar, Name: "bad", Devmajor: 1, Devminor: 3}),
		row("K154", "a pipe", tar.Header{Typeflag: tar.TypeFifo, Name: "bad"}),
		row("K155", "a file whose other name leads upwards (pax)", tar.Header{Typeflag: tar.TypeReg, Name: "../" + strings.Repeat("d/", 60) + "../bad", Size: 1, Format: tar.FormatPAX}),
		row("K156", "a name for all that follow (pax, global)", tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../bad"}}, tar.Header{Typeflag: tar.TypeReg, Name: "bad", Size: 1}),
		row("K157", "a name longer than names are", tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("x", 300), Size: 1}),
		row("K158", "an absolute name", tar.Header{Typeflag: tar.TypeReg, Name: "/bad", Size: 1}),
		{id: "K159", tries: "cp out of a container of a sparse file, a pipe and a hard link", by: "connector/kubernetes archive", changes: true, try: func(a *kubeArena) error {
			dir := a.cluster.Files("clinic", "web-1", map[string]string{"srv/secret/p": kubePassword, "srv/notes/odd/a": "b"})
			if err := os.Link(filepath.Join(dir, "srv/secret/p"), filepath.Join(dir, "srv/notes/odd/b")); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			if err := os.Link(filepath.Join(dir, "srv/notes/odd/a"), filepath.Join(dir, "srv/notes/odd/c")); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			got := a.run("", "-n", "clinic", "cp", "web-1:/srv/notes/odd", filepath.Join(a.TempDir(), "odd"))
			if got.Code == 0 {
				return fmt.Errorf("a link was copied: %s", got)
			}
			return os.RemoveAll(filepath.Join(dir, "srv/notes/odd"))
		}},
	}
}

// kubeWire are requests in bytes that two programs could read in two ways.
func kubeWire() []kubeRow {
	at := func(head, path string) string { return strings.Replace(head, kubePods, path, 1) }
	const self = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	chunked := "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
	body := fmt.Sprintf("%x\r\n%s\r\n0\r\n", len(`{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}`), `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}`)
	post := func(head string) string { return strings.Replace(at(head, self), "GET", "POST", 1) }
	nobody := func(r kubeRow) kubeRow {
		try := r.try
		r.changes = true
		r.try = func(a *kubeArena) error {
			err := try(a)
			if s := a.seen.String(); strings.Contains(s, `"username":"admin"`) || err == nil && !strings.Contains(s, `"username":"sallyport:`) {
				return fmt.Errorf("the cluster takes it for somebody else: %.600s", s)
			}
			return err
		}
		return r
	}
	const std = "net/http"
	return []kubeRow{
		raw("K160", "two Host headers", std, "400", func(head string) string { return head + "Host: b\r\n\r\n" }),
		raw("K161", "Transfer-Encoding twice", std, "501", func(head string) string {
			return post(head) + chunked + "Transfer-Encoding: identity\r\n\r\n" + body + "\r\n"
		}),
		raw("K162", "Transfer-Encoding of a spelling that few know", std, "501", func(head string) string { return post(head) + "Transfer-Encoding: xchunked\r\n\r\n" + body + "\r\n" }),
		nobody(raw("K163", "Impersonate-User as a trailer that is announced", "connector/kubernetes send", "201", func(head string) string {
			return post(head) + "Connection: close\r\nTrailer: Impersonate-User\r\n" + chunked + "\r\n" + body + "Impersonate-User: admin\r\n\r\n"
		})),
		nobody(raw("K164", "Impersonate-User as a trailer, unannounced", "connector/kubernetes send", "201", func(head string) string {
			return post(head) + "Connection: close\r\n" + chunked + "\r\n" + body + "Impersonate-User: admin\r\nX-Remote-User: admin\r\n\r\n"
		})),
		raw("K165", "Impersonate-User as a header of this connection alone", "connector/kubernetes unusable", "403", func(head string) string {
			return head + "Connection: Impersonate-User, close\r\nImpersonate-User: admin\r\n\r\n"
		}),
		raw("K166", "a whole address in place of a path", "connector/kubernetes send", "200", func(head string) string {
			return strings.Replace(head, "/k8s/prod"+kubePods, "https://127.0.0.1:6443/k8s/prod"+kubeDB, 1) + "Connection: close\r\n\r\n"
		}),
		raw("K167", "a whole address of the cluster's own paths", "httpgate identify", "200", func(head string) string {
			return strings.Replace(head, "/k8s/prod"+kubePods, "https://127.0.0.1:6443"+kubeDB, 1) + "Connection: close\r\n\r\n"
		}),
		raw("K168", "HTTP/2 by upgrade, for exec", "connector/kubernetes streams.Read", "400", func(head string) string {
			return at(head, kubePods+"/web-1/exec?command=echo&stdout=true") + "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
		}),
		raw("K169", "a header whose name ends in a space", std, "400", func(head string) string { return head + "Impersonate-User : admin\r\n\r\n" }),
		raw("K170", "a header that goes on in a second line", "connector/kubernetes unusable", "4", func(head string) string {
			return head + "X-A: b\r\n Impersonate-User: admin\r\nImpersonate-User: x\r\nConnection: close\r\n\r\n"
		}),
		{id: "K171", tries: "HTTP/2 with a whole address as its path", by: "connector/kubernetes send", try: func(a *kubeArena) error {
			said, err := a.http2(func(c *h2) error {
				return c.headers(1, ":method", "GET", ":scheme", "https", ":authority", "a", ":path", "https://127.0.0.1:6443/k8s/prod"+kubeDB, "authorization", "Bearer "+a.Token)
			})
			if !bytes.Contains(said, []byte("W1NFQ1JFVF0=")) {
				return fmt.Errorf("it is answered otherwise than its path: %q", said)
			}
			return err
		}},
	}
}

// kubeParameters are parameters that change what an answer is.
func kubeParameters() []kubeRow {
	const selectors = "mask/kubemask, whatever the parameters say"
	return []kubeRow{
		masked("K172", "an answer that is laid out (pretty)", selectors, "W1NFQ1JFVF0=", "GET", kubeDB+"?pretty=true", ""),
		masked("K173", "a list as of a version", selectors, "W1NFQ1JFVF0=", "GET", "/api/v1/namespaces/clinic/secrets?resourceVersion=1&resourceVersionMatch=NotOlderThan", ""),
		{id: "K174", tries: "go on with a list of another namespace", by: "the cluster, which binds it to the path", try: func(a *kubeArena) error {
			a.cluster.Create("/api/v1/namespaces/other/configmaps", map[string]any{"metadata": map[string]any{"name": "far-2"}})
			var list struct{ Metadata struct{ Continue string } }
			a.cluster.Create("/api/v1/namespaces/other/configmaps", map[string]any{"metadata": map[string]any{"name": "far-3"}})
			a.cluster.Get("/api/v1/namespaces/other/configmaps?limit=1", &list)
			if list.Metadata.Continue == "" {
				return errors.New("there is nothing to go on with")
			}
			a.ask("GET", kubeMaps+"?limit=5&continue="+list.Metadata.Continue, "")
			if strings.Contains(a.seen.String(), "far-") {
				return errSeen
			}
			return nil
		}},
		{id: "K175", tries: "a watch without an end", by: "session ends", try: func(a *kubeArena) error {
			return wants(a.ask("GET", kubePods+"?watch=true&timeoutSeconds=99999999999999999999", "").Status, 400, a, "no number")
		}},
		denied("K176", "server-side apply by force, of what a label protects", "connector/kubernetes lookUp", "", "PATCH", kubeMaps+"/kept?fieldManager=x&force=true", "apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {protected: 'false'}}\n", media("application/apply-patch+yaml")),
		denied("K177", "a status, of what a label protects", "connector/kubernetes lookUp", "", "PATCH", kubePods+"/kept/status", `{"status":{"message":"a"}}`, media(mergePatch)),
		denied("K178", "an eviction by a namespace in its body", "policy", "", "POST", "/api/v1/namespaces/other/pods/far-1/eviction", `{"metadata":{"name":"web-1","namespace":"clinic"}}`),
		{id: "K179", tries: "an object of another namespace in its body", by: "the cluster", changes: true, try: func(a *kubeArena) error {
			return wants(a.ask("POST", kubeMaps, `{"metadata":{"name":"x","namespace":"other"}}`).Status, 400, a, "namespace")
		}},
		masked("K180", "an explanation of a kind, which tells no values", "analyze/kube discovery", "ConfigMap", "GET", "/openapi/v3/api/v1", ""),
		{id: "K189", tries: "learn of an object without any right, by how long a change of it takes", by: "session Hopeless", denial: true, try: func(a *kubeArena) error {
			for _, name := range []string{"far-2", "nowhere"} {
				if err := wants(a.ask("PATCH", "/api/v1/namespaces/other/configmaps/"+name, "{}", media(mergePatch)).Status, 403, a, "sallyport"); err != nil {
					return err
				}
			}
			b, err := os.ReadFile(a.audit)
			if err != nil || bytes.Contains(b, []byte("configmaps/nowhere")) {
				return errors.Join(err, errors.New("the cluster was asked about it"))
			}
			return nil
		}},
		denied("K181", "the API server's memory", "analyze/kube discovery", "discovery", "GET", "/debug/pprof/heap", ""),
	}
}

// h2 is a connection of HTTP/2 whose frames are written by hand.
type h2 struct{ io.ReadWriter }

// Types and flags of its frames.
const (
	h2Headers, h2Reset, h2Settings, h2Ping, h2Continuation = 1, 3, 4, 6, 9
	h2EndStream, h2EndHeaders                              = 1, 4
)

func (c *h2) frame(kind, flags byte, stream uint32, payload []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, err := c.Write(append(head, payload...))
	return err
}

// headers sends a request without a body.
func (c *h2) headers(stream uint32, pairs ...string) error {
	return c.frame(h2Headers, h2EndStream|h2EndHeaders, stream, literals(pairs...))
}

// literals are headers that refer to nothing.
func literals(pairs ...string) (b []byte) {
	for i, s := range pairs {
		if i%2 == 0 {
			b = append(b, 0)
		}
		n := len(s)
		if n < 127 {
			b = append(b, byte(n))
		} else {
			b = append(b, 127)
			for n -= 127; n >= 128; n >>= 7 {
				b = append(b, byte(n)|128)
			}
			b = append(b, byte(n))
		}
		b = append(b, s...)
	}
	return b
}

// http2 opens a connection, has do use it, and returns what came until the gateway has
// ended it or nothing came for a while.
func (a *kubeArena) http2(do func(c *h2) error) ([]byte, error) {
	conn, err := a.connect("h2", 60*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // it was read
	c := &h2{conn}
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		return nil, err
	}
	err = errors.Join(c.frame(h2Settings, 0, 0, nil), do(c))
	if serr := conn.SetReadDeadline(time.Now().Add(3 * time.Second)); serr != nil {
		return nil, serr
	}
	said, rerr := io.ReadAll(conn)
	a.seen.Write(said)
	if errors.Is(rerr, os.ErrDeadlineExceeded) {
		return said, err
	}
	return said, errEnded
}

var errEnded = errors.New("the gateway has ended the connection")

// kubeFloods want more of the gateway than a client may have.
func kubeFloods() []kubeRow {
	flood := func(id, tries string, do func(a *kubeArena, c *h2) error) kubeRow {
		return kubeRow{id: id, tries: tries, by: "net/http", try: func(a *kubeArena) error {
			if _, err := a.http2(func(c *h2) error { return do(a, c) }); !errors.Is(err, errEnded) {
				return fmt.Errorf("the connection goes on: %w", err)
			}
			return wants(a.ask("GET", kubePods, "").Status, 200, a, "PodList")
		}}
	}
	return []kubeRow{
		flood("K182", "HTTP/2: a header without an end (CONTINUATION)", func(_ *kubeArena, c *h2) error {
			err := c.frame(h2Headers, h2EndStream, 1, literals(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"))
			for n := 0; err == nil && n < 4096; n++ {
				err = c.frame(h2Continuation, 0, 1, literals("x-"+strconv.Itoa(n), strings.Repeat("x", 16<<10-100)))
			}
			return err
		}),
		flood("K183", "HTTP/2: pings and settings, of which no answer is read", func(_ *kubeArena, c *h2) error {
			var b bytes.Buffer
			for range 1 << 10 {
				if err := errors.Join((&h2{&b}).frame(h2Ping, 0, 0, make([]byte, 8)), (&h2{&b}).frame(h2Settings, 0, 0, nil)); err != nil {
					return err
				}
			}
			for range 1 << 12 {
				if _, err := c.Write(b.Bytes()); err != nil {
					return err
				}
			}
			return nil
		}),
		{id: "K184", tries: "HTTP/2: requests that are taken back at once", by: "net/http, httpgate slots", try: func(a *kubeArena) error {
			_, err := a.http2(func(c *h2) error {
				var err error
				for n := uint32(1); err == nil && n < 4000; n += 2 {
					err = c.headers(n, ":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/k8s/prod"+kubePods, "authorization", "Bearer "+a.Token)
					if err == nil {
						err = c.frame(h2Reset, 0, n, []byte{0, 0, 0, 8})
					}
				}
				return err
			})
			if err != nil && !errors.Is(err, errEnded) {
				return err
			}
			return wants(a.ask("GET", kubePods, "").Status, 200, a, "PodList")
		}},
		{id: "K185", tries: "a header that comes byte by byte", by: "httpgate ReadHeaderTimeout", try: func(a *kubeArena) error {
			return a.slowly("GET /k8s/prod"+kubePods+" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+a.Token+"\r\nX-A: ", "")
		}},
		{id: "K186", tries: "a body that comes byte by byte", by: "connector/kubernetes readBody", try: func(a *kubeArena) error {
			return a.slowly("POST /k8s/prod"+kubeMaps+" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+a.Token+"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", "408")
		}},
		{id: "K187", tries: "a watch of events that are large, and of many", by: "mask/kubemask writer", try: func(a *kubeArena) error { return a.giant() }},
		{id: "K188", tries: "a redirect (302) to where the credential may be read", by: "httpgate/upstream", try: func(a *kubeArena) error {
			var asked atomic.Int64
			there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			defer there.Close()
			got := a.bad.Ask(a.T, "GET", "/k8s/bad/api/v1/namespaces/clinic/pods/"+there.URL[strings.LastIndexByte(there.URL, ':')+1:], "")
			if a.saw(got); asked.Load() > 0 || got.Header.Get("Location") != "" {
				return errSeen
			}
			return wants(got.Status, 503, a, "elsewhere")
		}},
	}
}

// slowly sends what begins a request, and then a byte at a time, until the gateway ends the
// connection or answers with a status.
func (a *kubeArena) slowly(begins, status string) error {
	c, err := a.connect("http/1.1", 90*time.Second)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was read
	if _, err := io.WriteString(c, begins); err != nil {
		return err
	}
	said := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			b = []byte("the gateway waits: " + err.Error())
		}
		said <- string(b)
	}()
	for {
		select {
		case s := <-said:
			if a.seen.WriteString(s); strings.Contains(s, "the gateway waits") || status != "" && !strings.HasPrefix(s, "HTTP/1.1 "+status) {
				return fmt.Errorf("%.300s", s)
			}
			return nil
		case <-time.After(200 * time.Millisecond):
			_, _ = io.WriteString(c, "x") // the end is told by what is read
		}
	}
}

// Sizes of a watch that is too large to be held.
const (
	giantEvents, giantEvent = 40, 2 << 20
	smallEvents             = 100_000
	giantHeld               = 64 << 20
)

// giant reads such a watch, and looks at how much the gateway holds meanwhile, which is in
// this process.
func (a *kubeArena) giant() error {
	req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, "https://"+a.HTTPAddress()+"/k8s/bad/api/v1/namespaces/clinic/giants?watch=true", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.bad.Token)
	res, err := a.bad.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := held(), uint64(0), 0
	b := make([]byte, 1<<20)
	for next := 0; err == nil; {
		var got int
		if got, err = res.Body.Read(b); bytes.Contains(b[:got], []byte(kubeCanary)) {
			return errSeen
		}
		if n += got; n > next {
			most, next = max(most, held()), n+8<<20
		}
	}
	if !errors.Is(err, io.EOF) || n < giantEvents*giantEvent || most > before+giantHeld {
		return fmt.Errorf("%d bytes came; %d MiB were held before, %d at most: %w", n, before>>20, most>>20, err)
	}
	return nil
}

// giants is the watch.
func giants(w io.Writer) {
	const event = `{"type":"MODIFIED","object":{"kind":"Giant","apiVersion":"v1","metadata":{"name":"a"},"spec":{"note":"%s of SSN ` + kubeCanary + `"}}}` + "\n"
	for range giantEvents {
		_, _ = fmt.Fprintf(w, event, strings.Repeat("nothing to see here, ", giantEvent/21))
	}
	for range smallEvents {
		_, _ = fmt.Fprintf(w, event, "x")
	}
}
