// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const reference = "../../docs/reference/config.md"

// keysOf lists the keys below a type, as the reference writes them.
func keysOf(t reflect.Type, key string) []string {
	if t.Kind() == reflect.Pointer {
		return append([]string{key}, keysOf(t.Elem(), key)...)
	}
	single := t == reflect.TypeFor[time.Duration]() || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch {
	case t.Kind() == reflect.Struct && !single:
		var keys []string
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("yaml")
			if key != "" {
				name = key + "." + name
			}
			keys = append(keys, keysOf(t.Field(i).Type, name)...)
		}
		return keys
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return append([]string{key}, keysOf(t.Elem(), key+"[]")...)
	}
	return []string{key}
}

// TestReferenceIsWhole compares the reference's rows with the keys that the
// code reads.
func TestReferenceIsWhole(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.FromSlash(reference))
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(doc, -1) {
		if documented[string(m[1])] {
			t.Errorf("%s is there twice", m[1])
		}
		documented[string(m[1])] = true
	}
	read := make(map[string]bool)
	for _, key := range keysOf(reflect.TypeFor[config.Config](), "") {
		read[key] = true
	}
	if diff := cmp.Diff(read, documented); diff != "" {
		t.Errorf("keys (-read by the code +in the reference)\n%s", diff)
	}
}

// TestReferenceDefaults looks for the defaults of the code in the reference.
func TestReferenceDefaults(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.FromSlash(reference))
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, "gw.yaml", []byte(minimal+"shipping:\n  - {name: a, type: file, file: {dir: a}}\n"+
		"  - {name: b, type: syslog, syslog: {address: \"siem.example:6514\"}}\n"+
		"  - {name: c, type: webhook, webhook: {url: https://hook.example, secrets: [\"env:A\"]}}\n"))
	r := c.Resources[0]
	for key, value := range map[string]any{
		"data":                              c.Data,
		"listen.api.address":                c.Listen.API.Address,
		"listen.postgres.address":           c.Listen.Postgres.Address,
		"recording.max_response":            c.Recording.MaxResponse,
		"witness.lease":                     c.Witness.Lease,
		"witness.interval":                  c.Witness.Interval,
		"witness.timeout":                   c.Witness.Timeout,
		"log.level":                         c.Log.Level,
		"log.format":                        c.Log.Format,
		"policy.reload":                     c.Policy.Reload,
		"retention.sweep":                   c.Retention.Sweep,
		"requests.wait":                     c.Requests.Wait,
		"requests.expires":                  c.Requests.Expires,
		"requests.window":                   c.Requests.Window,
		"requests.hold_wait":                c.Requests.HoldWait,
		"requests.hold_wait_in_transaction": c.Requests.HoldWaitInTransaction,
		"resources[].tls.mode":              r.TLS.Mode,
		"resources[].lineage":               r.Lineage,
		"resources[].intent":                r.Intent,
		"resources[].limits.sessions":       r.Limits.Sessions,
		"resources[].limits.idle":           r.Limits.Idle,
		"resources[].limits.max_session":    r.Limits.MaxSession,
		"resources[].limits.max_message":    r.Limits.MaxMessage,
		"shipping[].from":                   c.Shipping[0].From,
		"shipping[].behind_after":           c.Shipping[0].BehindAfter,
		"shipping[].batch":                  c.Shipping[0].Batch,
		"shipping[].file.max_size":          c.Shipping[0].File.MaxSize,
		"shipping[].syslog.max_message":     c.Shipping[1].Syslog.MaxMessage,
		"shipping[].syslog.resend":          c.Shipping[1].Syslog.Resend,
		"shipping[].webhook.format":         c.Shipping[2].Webhook.Format,
	} {
		m := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(key) + "` \\| `([^`]+)` \\|").FindSubmatch(doc)
		if m == nil {
			t.Errorf("the reference has no default of %s", key)
			continue
		}
		text := string(m[1])
		if want, ok := value.(time.Duration); ok {
			if got, err := time.ParseDuration(text); err != nil || got != want {
				t.Errorf("%s: the reference says %s, the code %v", key, text, want)
			}
		} else if text != fmt.Sprint(value) {
			t.Errorf("%s: the reference says %s, the code %v", key, text, value)
		}
	}
}

// TestReferenceExampleParses reads the example as a user would copy it.
func TestReferenceExampleParses(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.FromSlash(reference))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the reference has no example")
	}
	mustParse(t, "gw.yaml", []byte(example))
}
