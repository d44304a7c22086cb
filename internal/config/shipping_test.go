// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every mistake of a destination has its own line and key.
func TestShippingProblems(t *testing.T) {
	t.Parallel()
	const section = `shipping:
  - {name: Bad Name, type: carrier-pigeon, from: tomorrow, behind_after: 1ms, batch: 0}
  - {name: a, type: file}
  - {name: a, type: file, file: {dir: x, max_size: 1}, otlp: {url: "https://c.example"}}
  - {name: b, type: file, file: {dir: ./x/}}
  - {name: c, type: syslog, syslog: {address: "siem", tls: {cert: a}, max_message: 100, resend: -1}}
  - {name: d, type: otlp, otlp: {url: "http://c.example/v1/logs", headers: [{name: "a b"}, {name: x, value: "env:A"}, {name: X, value: "env:B"}]}}
  - {name: e, type: otlp, otlp: {url: "https://user:hunter2@c.example/"}}
  - {name: f, type: webhook, webhook: {url: "ftp://c.example", format: xml}}
  - {name: g, type: webhook, webhook: {url: "https://c.example", secrets: ["env:A", "env:A", "env:B"], headers: [{name: Webhook-Id, value: "env:A"}]}}
  - {name: h, type: webhook, webhook: {url: "http://127.0.0.1:1/", secrets: [hunter2]}}
  - {name: i, type: otlp, otlp: {url: ""}}
`
	got := problems(t, []byte(minimal+section))
	first := strings.Count(minimal, "\n") + 2
	var lines []string
	for _, p := range got {
		lines = append(lines, fmt.Sprintf("%d %s", p.Line-first, p.Key))
	}
	want := []string{
		"0 shipping[0].name", "0 shipping[0].type", "0 shipping[0].from", "0 shipping[0].behind_after", "0 shipping[0].batch",
		"1 shipping[1].file",
		"2 shipping[2].name", "2 shipping[2].otlp", "2 shipping[2].file.max_size",
		"3 shipping[3].file.dir",
		"4 shipping[4].syslog.address", "4 shipping[4].syslog.tls", "4 shipping[4].syslog.max_message", "4 shipping[4].syslog.resend",
		"5 shipping[5].otlp.url", "5 shipping[5].otlp.headers[0].name", "5 shipping[5].otlp.headers[0].value", "5 shipping[5].otlp.headers[2].name",
		"6 shipping[6].otlp.url",
		"7 shipping[7].webhook.url", "7 shipping[7].webhook.format", "7 shipping[7].webhook.secrets",
		"8 shipping[8].webhook.secrets", "8 shipping[8].webhook.secrets[1]", "8 shipping[8].webhook.headers[0].name",
		"9 shipping[9].webhook.secrets[0]",
		"10 shipping[10].otlp.url",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s\n%v", diff, got)
	}
	if strings.Contains(got.Error(), "hunter2") {
		t.Errorf("a secret stands in the problems:\n%s", got)
	}
}
