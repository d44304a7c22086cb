// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
)

func TestRetentionProblems(t *testing.T) {
	t.Parallel()
	text := minimal + `retention:
  sweep: 10s
  classes:
    - {name: short, period: 3 fortnights}
    - {name: short, period: 1 day}
    - {name: none}
`
	_, err := config.Parse("gw.yaml", []byte(strings.Replace(text, "    type: postgres\n", "    type: postgres\n    retention: absent\n", 1)))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{
		"retention.sweep: is 10s", "retention.classes[0].period: want a period", "retention.classes[1].name: \"short\" is there already",
		"retention.classes[2].period: is missing", "resources[0].retention: there is no retention class \"absent\"",
	} {
		if got := text + errText(err); !strings.Contains(got, want) {
			t.Errorf("no problem %q in:\n%s", want, errText(err))
		}
	}
}

func errText(err error) string {
	if e, ok := err.(*sallyport.Error); ok && e.Err != nil { //nolint:errorlint // Parse returns it bare
		return e.Err.Error()
	}
	return err.Error()
}

func TestRetentionPeriod(t *testing.T) {
	t.Parallel()
	r := config.Retention{Classes: []config.RetentionClass{{Name: "short", Period: sallyport.Period{Days: 9}}}}
	for class, want := range map[string]sallyport.Period{"": sallyport.DefaultPeriod(), "default": sallyport.DefaultPeriod(), "short": {Days: 9}} {
		if got, ok := r.Period(class); !ok || got != want {
			t.Errorf("%q: %v, %v", class, got, ok)
		}
	}
	if _, ok := r.Period("absent"); ok {
		t.Error("an unknown class has a period")
	}
	r.Classes = append(r.Classes, config.RetentionClass{Name: "default", Period: sallyport.Period{Years: 7}})
	if got, _ := r.Period(""); got.Years != 7 {
		t.Errorf("the class default is %v", got)
	}
}

func TestMasterKeyOfAKMS(t *testing.T) {
	t.Parallel()
	parse := func(key string) (*config.Config, error) {
		return config.Parse("/etc/gw/gw.yaml", []byte(strings.Replace(minimal, "file:vault.key", key, 1)))
	}
	for key, want := range map[string]config.MasterRef{
		"gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k": "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
		"env:MASTER": "env:MASTER", "file:vault.key": "file:/etc/gw/vault.key",
	} {
		if c, err := parse(key); err != nil || c.Vault.Key != want {
			t.Errorf("%s: %v, %v", key, c, err)
		}
	}
	for _, key := range []string{"vault:x", "s3cret", "gcp-kms://", "GCP://x"} {
		if _, err := parse(key); err == nil {
			t.Errorf("%q was accepted", key)
		}
	}
}
