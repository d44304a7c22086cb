// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build bench

package googlebench_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

const (
	queries   = 200
	bigRows   = 100_000
	rowBytes  = 1000
	page      = 10_000
	object    = 100 << 20
	downloads = 5
)

const policy = `
@id("connect") permit(principal, action == Action::"connect", resource);
@id("read") permit(principal, action == Action::"read", resource);
@id("public") permit(principal, action in [Action::"readRaw", Action::"filterBy"], resource in Label::"public");
`

// figures is where lines of JSON go. What the test runner says goes elsewhere.
var figures io.Writer

func TestMain(m *testing.M) {
	figures, os.Stdout = os.Stdout, os.Stderr
	os.Exit(m.Run())
}

// line is one figure.
type line struct {
	Bench   string  `json:"bench"`
	Unit    string  `json:"unit"`
	Direct  float64 `json:"direct"`
	Gateway float64 `json:"gateway"`
	Ratio   float64 `json:"ratio"`
}

func report(t *testing.T, name, unit string, direct, gateway float64) {
	t.Helper()
	b, err := json.Marshal(line{name, unit, direct, gateway, gateway / direct})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintln(figures, string(b))
}

// side is where a client asks: the target, or the gateway.
type side struct {
	http        *http.Client
	root, token string
}

func (s side) ask(t *testing.T, verb, path, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, s.root+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %s: %d %s", verb, path, res.StatusCode, b)
	}
	return res
}

func (s side) whole(t *testing.T, verb, path, body string) []byte {
	t.Helper()
	res := s.ask(t, verb, path, body)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBigQuery(t *testing.T) {
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic())
	peer.Seed(bigquerypeer.Project, fmt.Sprintf("CREATE TABLE scratch.big AS SELECT i AS id, repeat('t', %d) AS tag, 'value ' || i AS secret FROM range(%d) r(i)", rowBytes, bigRows))
	entry := fmt.Sprintf("  - {name: dwh, type: bigquery, labels: bq.yaml, credential: {password: \"file:token\"}, bigquery: {url: %q, project: %s, auth: {mode: bearer}, analyser: %q}}\n",
		peer.URL, bigquerypeer.Project, bqanalyzer.Binary(t))
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("token", peer.Token), gatewaytest.Resource("dwh", "dwh", entry),
		gatewaytest.File("bq.yaml", "version: 1\ncolumns: {scratch.big.id: public, scratch.big.tag: public, scratch.big.secret: phi.x, clinic.lab_results.id: public}\n"))
	c := g.HTTPClient(t)
	sides := []side{{c, peer.URL, peer.Token}, {c, "https://" + g.HTTPAddress(), g.Exchange(t, c, "dwh", "dwh")}}

	var p50, p99 [2]float64
	const query = `{"query":"SELECT id, test FROM clinic.lab_results WHERE id = 1","useLegacySql":false}`
	took := [2][]float64{}
	for range queries { // by turns, so that both see the same machine
		for i, s := range sides {
			begin := time.Now()
			s.whole(t, "POST", "/bigquery/v2/projects/"+bigquerypeer.Project+"/queries", query)
			took[i] = append(took[i], float64(time.Since(begin).Microseconds())/1000)
		}
	}
	for i := range sides {
		slices.Sort(took[i])
		p50[i], p99[i] = took[i][queries/2], took[i][queries*99/100]
	}
	report(t, "small query, p50", "ms", p50[0], p50[1])
	report(t, "small query, p99", "ms", p99[0], p99[1])

	var rate [2]float64
	for i, s := range sides {
		begin, n, token := time.Now(), 0, ""
		for {
			b := s.whole(t, "GET", fmt.Sprintf("/bigquery/v2/projects/%s/datasets/scratch/tables/big/data?maxResults=%d&pageToken=%s", bigquerypeer.Project, page, url.QueryEscape(token)), "")
			n += len(b)
			var at struct{ PageToken string }
			if err := json.Unmarshal(b, &at); err != nil {
				t.Fatal(err)
			}
			if token = at.PageToken; token == "" {
				break
			}
		}
		rate[i] = float64(n) / time.Since(begin).Seconds() / 1e6
	}
	report(t, "100 MB of rows by REST, one column of three masked", "MB/s", rate[0], rate[1])
}

// read makes a session of the big table and reads its streams one after the other. It
// returns how many megabytes came, how long that took, and the processor's time that
// this process had meanwhile.
func (s side) read(t *testing.T) (mb, seconds, cpu float64) {
	t.Helper()
	service := "/google.cloud.bigquery.storage.v1.BigQueryRead/"
	call := func(method string, message []byte, each func([]byte)) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.root+service+method, strings.NewReader(string(grpc.Append(nil, message))))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {grpc.ContentType}, "Te": {"trailers"}, "Authorization": {"Bearer " + s.token}}
		res, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for in := grpc.NewReader(res.Body, 1<<30); ; {
			m, err := in.Next()
			if err != nil {
				if code := res.Trailer.Get(grpc.HeaderStatus); err != io.EOF || code != "0" {
					t.Fatalf("%s: %v, %v %v", method, err, res.Header, res.Trailer)
				}
				return
			}
			each(m)
		}
	}
	project := "projects/" + bigquerypeer.Project
	session := grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, project+"/datasets/scratch/tables/big")
	var streams []string
	call("CreateReadSession", grpc.AppendMessage(grpc.AppendString(nil, 1, project), 2, session), func(m []byte) {
		for _, name := range regexp.MustCompile(`projects/[a-z0-9/-]+/sessions/[A-Z0-9]{26}/streams/[A-Z0-9]{26}`).FindAll(m, -1) {
			streams = append(streams, string(name))
		}
	})
	begin, used, n := time.Now(), spent(t), 0
	for _, name := range streams {
		call("ReadRows", grpc.AppendString(nil, 1, name), func(m []byte) { n += len(m) })
	}
	return float64(n) / 1e6, time.Since(begin).Seconds(), (spent(t) - used).Seconds()
}

// spent is the processor's time that this process has had.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestArrow(t *testing.T) {
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	peer.Seed(bigquerypeer.Project, fmt.Sprintf("CREATE TABLE scratch.big AS SELECT i AS id, repeat('t', %d) AS tag, 'value ' || i AS secret FROM range(%d) r(i)", rowBytes, bigRows))
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	entry := fmt.Sprintf("  - {name: dwh, type: bigquery, labels: bq.yaml, tls: {ca: bq-ca.pem}, credential: {password: \"file:token\"}, bigquery: {url: %q, storage_url: %q, project: %s, auth: {mode: bearer}}}\n",
		peer.URL, "https://"+peer.Read, bigquerypeer.Project)
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("token", peer.Token), gatewaytest.File("bq-ca.pem", string(ca)), gatewaytest.Resource("dwh", "dwh", entry),
		gatewaytest.File("bq.yaml", "version: 1\ncolumns: {scratch.big.id: public, scratch.big.tag: public, scratch.big.secret: phi.x}\n"))
	c := g.HTTPClient(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	d := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	t.Cleanup(d.CloseIdleConnections)
	sides := []side{{d, "https://" + peer.Read, peer.Token}, {c, "https://" + g.HTTPAddress(), g.Exchange(t, c, "dwh", "dwh")}}
	rate, cost := [2][]float64{}, [2][]float64{}
	for range downloads {
		for i, s := range sides {
			mb, seconds, cpu := s.read(t)
			if mb < rowBytes*bigRows/1e6 {
				t.Fatalf("%v MB", mb)
			}
			rate[i], cost[i] = append(rate[i], mb/seconds), append(cost[i], mb/cpu)
		}
	}
	for i := range sides {
		slices.Sort(rate[i])
		slices.Sort(cost[i])
	}
	report(t, "100 MB of rows by Arrow, one column of three masked", "MB/s", rate[0][downloads/2], rate[1][downloads/2])
	report(t, "100 MB of rows by Arrow, the client's time and then the gateway's as well", "MB per CPU second", cost[0][downloads/2], cost[1][downloads/2])
}

func TestCloudStorage(t *testing.T) {
	peer := gcspeer.Start(t)
	text := strings.Repeat(strings.Repeat("0123456789abcdef", 63)+"ssn 219-09-9991\n", object/1024)
	peer.Seed("open-bucket", "big.bin", "application/octet-stream", text)
	peer.Seed("clinic-bucket", "big.csv", "text/csv", "id,ssn\n"+strings.Repeat("1001,219-09-9991\n", object/17))
	entry := fmt.Sprintf("  - {name: lake, type: gcs, credential: {password: \"file:token\"}, gcs: {url: %q, auth: {mode: bearer}, buckets: [{name: open-bucket, labels: [public]}, {name: clinic-bucket, labels: [phi]}]}}\n", peer.URL)
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("token", peer.Token), gatewaytest.Resource("lake", "lake", entry))
	c := g.HTTPClient(t)
	direct, gateway := side{c, peer.URL, peer.Token}, side{c, "https://" + g.HTTPAddress(), g.Exchange(t, c, "lake", "lake")}
	rate := func(s side, bucket, name string) float64 {
		begin := time.Now()
		res := s.ask(t, "GET", "/storage/v1/b/"+bucket+"/o/"+name+"?alt=media", "")
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || n < object/2 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		return float64(n) / time.Since(begin).Seconds() / 1e6
	}
	median := func(s side, bucket, name string) float64 {
		var all []float64
		for range downloads {
			all = append(all, rate(s, bucket, name))
		}
		slices.Sort(all)
		return all[downloads/2]
	}
	report(t, "download of 100 MB that is shown as it is", "MB/s", median(direct, "open-bucket", "big.bin"), median(gateway, "open-bucket", "big.bin"))
	first := rate(gateway, "clinic-bucket", "big.csv")
	plain := median(direct, "clinic-bucket", "big.csv")
	report(t, "first download of 100 MB of CSV, masked for it", "MB/s", plain, first)
	report(t, "further downloads of the masked object", "MB/s", plain, median(gateway, "clinic-bucket", "big.csv"))
}
